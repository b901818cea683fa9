// Tiles of a grouped kernel on their way from the warp that finds them to the roles that work on
// them. Device layer of the gemm family; must not include another family.
//
// One warp reads the metadata and runs a few tiles ahead, so that no other role spends registers,
// instructions or time on it, and all roles see the same tiles whatever the metadata does.
//
//   walking warp   ItemScan -> item_tile -> [ slot | slot | slot | slot ] -> loader, math warps
//                                             ^ full: a tile is there; empty: all have read it
//   A tile of group -1 says that there are no more.
#pragma once

#include "gemm/config.hpp"
#include "gemm/item_scan.cuh"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/global.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"

namespace fathom::device::gemm {

template <Config kConfig>
struct TileQueue {
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  SmemAddr smem;
  sync::Waiter<kConfig.bounded_waits> waiter;

  FATHOM_DEVICE SmemAddr slot(int i) const { return smem + kPlan.tiles + i * 16; }
  FATHOM_DEVICE SmemAddr full(int i) const { return smem + kPlan.tile_full_barriers + i * 8; }
  FATHOM_DEVICE SmemAddr empty(int i) const { return smem + kPlan.tile_empty_barriers + i * 8; }

  /// One thread. `readers`: warps that walk over the tiles.
  FATHOM_DEVICE void init(int readers) const {
    for (int i = 0; i < kTileSlots; ++i) {
      ptx::mbarrier_init(full(i), 1);
      ptx::mbarrier_init(empty(i), readers);
    }
  }

  /// The walking warp: every tile of this CTA, then the end.
  FATHOM_DEVICE void run(const Params& params, int pair_rank) const {
    constexpr Config kFolded = kConfig;
    ItemScan<kConfig> scan(params);
    sync::RingState at;
    int32_t unit = ptx::cta_index() / kConfig.cluster_size();
    for (bool more = true; more; unit += ptx::num_ctas() / kConfig.cluster_size()) {
      more = scan.seek(unit);
      const Tile tile =
          more ? item_tile(kFolded, params.schedule, scan.found, scan.within, pair_rank)
               : Tile{-1, 0, 0, 0};
      // One lane waits: another that looked only after the tile was read would meet the next phase.
      if (ptx::lane_index() == 0) {
        waiter.wait(empty(at.stage), at.phase ^ 1, sync::BarrierName::kTileEmpty, at.stage);
        ptx::store_shared_v4_u32(
            slot(at.stage), {static_cast<uint32_t>(tile.group), static_cast<uint32_t>(tile.row),
                             static_cast<uint32_t>(tile.row_end), static_cast<uint32_t>(tile.col)});
        ptx::mbarrier_arrive(full(at.stage));
      }
      at.advance(kTileSlots);
    }
  }
};

/// A reader of the queue: a whole warp, or one thread of it.
template <Config kConfig, bool kWholeWarp>
struct QueueWalk {
  TileQueue<kConfig> queue;
  sync::RingState at;
  bool more = true;

  FATHOM_DEVICE explicit QueueWalk(const TileQueue<kConfig>& q) : queue(q) { await(); }

  FATHOM_DEVICE bool valid() const { return more; }
  /// Read anew at each call: nothing of it is kept in registers through the main loop.
  FATHOM_DEVICE Tile tile() const {
    const ptx::Word4 v = ptx::load_shared_v4_u32(queue.slot(at.stage));
    return {static_cast<int32_t>(v.x), static_cast<int32_t>(v.y), static_cast<int32_t>(v.z),
            static_cast<int32_t>(v.w)};
  }
  FATHOM_DEVICE void advance() {
    if constexpr (kWholeWarp) {
      ptx::warp_sync();
      if (ptx::lane_index() == 0) ptx::mbarrier_arrive(queue.empty(at.stage));
    } else {
      ptx::mbarrier_arrive(queue.empty(at.stage));
    }
    at.advance(kTileSlots);
    await();
  }

 private:
  FATHOM_DEVICE void await() {
    queue.waiter.wait(queue.full(at.stage), at.phase, sync::BarrierName::kTileFull, at.stage);
    int group = static_cast<int>(ptx::load_shared_u32(queue.slot(at.stage)));
    if constexpr (kWholeWarp) group = ptx::warp_uniform(group);
    more = group >= 0;
  }
};

}  // namespace fathom::device::gemm
