// The sequence of tiles that a CTA works through, the same for all its roles. Device layer of the
// gemm family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "ptx/thread.cuh"

namespace fathom::device::gemm {

/// for (TileWalk<kConfig> walk(params, rank); walk.valid(); walk.advance()) ... walk.tile ...
template <Config kConfig>
struct TileWalk {
  const Params& params;
  int pair_rank;
  int unit;
  int stride;
  Tile tile;

  FATHOM_DEVICE TileWalk(const Params& p, int rank)
      : params(p),
        pair_rank(rank),
        unit(ptx::cta_index() / kConfig.cluster_size()),
        stride(ptx::num_ctas() / kConfig.cluster_size()) {
    locate();
  }
  FATHOM_DEVICE bool valid() const { return unit < params.schedule.num_units(); }
  FATHOM_DEVICE void advance() {
    unit += stride;
    locate();
  }

 private:
  FATHOM_DEVICE void locate() {
    // A copy that folds: a template argument is an object in global memory to NVRTC, and reading
    // its fields there stood before every tile's first load.
    constexpr Config kFolded = kConfig;
    if (valid()) tile = dense_tile(kFolded, params.schedule, unit, pair_rank);
  }
};

}  // namespace fathom::device::gemm
