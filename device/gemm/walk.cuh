// The sequence of tiles that a CTA works through, the same for all its roles. Device layer of the
// gemm family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/tile_queue.cuh"
#include "ptx/thread.cuh"

namespace fathom::device::gemm {

/// The units of a CTA: for (UnitWalk<kConfig> walk(params, rank); walk.valid(); walk.advance())
template <Config kConfig>
struct UnitWalk {
  const Params& params;
  int pair_rank;
  int unit;
  int stride;

  FATHOM_DEVICE UnitWalk(const Params& p, int rank)
      : params(p),
        pair_rank(rank),
        unit(ptx::cta_index() / kConfig.cluster_size()),
        stride(ptx::num_ctas() / kConfig.cluster_size()) {
    if constexpr (kConfig.resident()) {  // whose first unit it is asked for
      constexpr Config kFolded = kConfig;
      unit = unit_run(kFolded, p.schedule.num_units(), unit, stride).first;
    }
  }
  FATHOM_DEVICE bool valid() const { return unit < params.schedule.num_units(); }
  FATHOM_DEVICE void advance() { unit += stride; }
  /// Computed at each call, with two divisions: math warps ask under a running wgmma.
  FATHOM_DEVICE Tile tile() const {
    // A copy that folds: a template argument is an object in global memory to NVRTC, and reading
    // its fields there stood before every tile's first load.
    constexpr Config kFolded = kConfig;
    return dense_tile(kFolded, params.schedule, unit, pair_rank);
  }
};

/// The same for roles that ask for their tile in every block of k: it is computed once.
template <Config kConfig>
struct TileWalk {
  UnitWalk<kConfig> units;

  FATHOM_DEVICE TileWalk(const Params& p, int rank) : units(p, rank) { locate(); }
  FATHOM_DEVICE const Tile& tile() const { return current; }
  FATHOM_DEVICE bool valid() const { return units.valid(); }
  FATHOM_DEVICE void advance() {
    units.advance();
    locate();
  }

 private:
  Tile current;

  FATHOM_DEVICE void locate() {
    if (valid()) current = units.tile();
  }
};

/// The walk of one role. `queue`: grouped only. kWholeWarp: all lanes walk, not one thread.
template <Config kConfig, bool kWholeWarp>
FATHOM_DEVICE auto walk_tiles(const Params& params, const TileQueue<kConfig>& queue,
                              int pair_rank) {
  if constexpr (kConfig.grouped)
    return QueueWalk<kConfig, kWholeWarp>(queue);
  else
    return UnitWalk<kConfig>(params, pair_rank);
}

}  // namespace fathom::device::gemm
