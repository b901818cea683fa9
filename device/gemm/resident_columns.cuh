// The columns of B that stay in shared memory in the resident skeleton: which of them a CTA works
// down, and who may touch them when. Device layer of the gemm family; must not include another
// family.
//
//   loader   acquire(block)   wait until every math warp has left the column before
//            load, which completes on full(block)
//   math     await(block)     in a warpgroup's first tile of the column
//            release(block)   in its last, one arrival a warp
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/mbarrier.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"

namespace fathom::device::gemm {

/// visit(col, row, tiles) for each column of tiles in this CTA's run: the `tiles` tiles from row
/// `row` on. col and row count tiles.
///
///   a run of 9 in columns of 6:  0 . 6     visit(0, 2, 4): tiles 0 1 2 3
///                                . . 7     visit(1, 0, 5): tiles 4 5 6 7 8
///                                0 4 8
///                                1 5 .     A warpgroup w takes tiles w, w + 3, ... of the run:
///                                2 6 .     for (; turn < tiles; turn += 3) ...; turn -= tiles;
///                                3 7 .
template <Config kConfig, typename Visit>
FATHOM_DEVICE void for_each_column(const Params& params, const Visit& visit) {
  constexpr Config kFolded = kConfig;  // see UnitWalk
  const Schedule& s = params.schedule;
  const UnitRun run = unit_run(kFolded, s.num_units(), ptx::cta_index(), ptx::num_ctas());
  int col = s.by_width.quotient(run.first);  // a band is all of m
  int row = run.first - col * s.units_m;
#pragma unroll 1
  for (int left = run.end - run.first; left > 0; ++col, row = 0) {
    const int tiles = min_of(left, s.units_m - row);
    visit(col, row, tiles);
    left -= tiles;
  }
}

/// The barriers of the blocks of k, and where one math warpgroup is among the columns.
template <Config kConfig>
struct ResidentColumns {
  static constexpr SmemPlan kPlan = plan_smem(kConfig);

  SmemAddr smem;
  sync::Waiter<kConfig.bounded_waits> waiter;
  uint32_t phase = 1;  // of the column: 0 for the CTA's first
  bool first = false;  // this tile is the warpgroup's first of the column,
  bool last = false;   // its last

  FATHOM_DEVICE SmemAddr full(int block) const { return smem + kPlan.b_full_barriers + block * 8; }
  FATHOM_DEVICE SmemAddr empty(int block) const {
    return smem + kPlan.b_empty_barriers + block * 8;
  }

  /// One thread. A block of B and its scale arrive apart.
  FATHOM_DEVICE void init(int math_warps) const {
    for (int block = 0; block < kConfig.num_stages; ++block) {
      ptx::mbarrier_init(full(block), 2);
      ptx::mbarrier_init(empty(block), math_warps);
    }
  }
  FATHOM_DEVICE void acquire(int block, uint32_t of_column) const {
    waiter.wait(empty(block), of_column ^ 1, sync::BarrierName::kResidentEmpty, block);
  }

  FATHOM_DEVICE void enter() {
    phase ^= 1;
    first = true;
  }
  FATHOM_DEVICE void await(int block) const {
    if (first) waiter.wait(full(block), phase, sync::BarrierName::kResidentFull, block);
  }
  FATHOM_DEVICE void release(int block) const {
    if (last && ptx::lane_index() == 0) ptx::mbarrier_arrive(empty(block));
  }
  /// A column of which this warpgroup has no tile. It waits all the same: a later wait would take
  /// the column's parity for that of the one before.
  FATHOM_DEVICE void pass(int k_blocks) {
    last = true;
#pragma unroll 1
    for (int block = 0; block < k_blocks; ++block) {
      await(block);
      ptx::warp_sync();  // no lane still waits for what the release may overtake
      release(block);
    }
  }
};

}  // namespace fathom::device::gemm
