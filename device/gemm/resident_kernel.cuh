// The resident skeleton: many rows, k of a few blocks, where the compute skeleton's operands, which
// change with every tile, and its epilogue, which all warpgroups reach together, cost more than the
// products leave. Device layer of the gemm family; must not include another family.
//
// One CTA per SM works down columns of tiles. B of a column stays for all of k; each math warpgroup
// takes every third tile, with a ring and a loading warp of its own, and never waits for another
// but where the column changes: one's epilogue runs under the others' products.
//
//   warp of warpgroup w   acquire -> TMA A, scales -> full   [ ring w ]  await -> wgmma -> promote
//                                                                        -> release; stage, store
//   last loading warp     B of the next column, block of k by block of k, as all have left the old
#pragma once

#include "gemm/config.hpp"
#include "gemm/epilogue.cuh"
#include "gemm/mainloop.cuh"
#include "gemm/params.hpp"
#include "gemm/prefetch.cuh"
#include "gemm/resident_columns.cuh"
#include "gemm/resident_loader.cuh"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/barrier.cuh"
#include "ptx/grid.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct ResidentKernel {
  static_assert(why_illegal(kConfig) == nullptr);
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kWarpgroups = kConfig.math_warpgroups;
  static constexpr int kMathWarps = kWarpgroups * 4;

  FATHOM_DEVICE static void run(const Params& params, unsigned char* dynamic_smem) {
    const SmemAddr smem = ptx::smem_address(dynamic_smem);
    const int warp = ptx::warp_uniform(ptx::thread_index() / 32);
    const ResidentColumns<kConfig> columns{smem, {params.wait_report}};

    if (warp == kMathWarps && ptx::elect_one()) {
      prefetch_maps<kConfig>(params);
      const int gathering = params.scales_of_a.by_tma == 0 ? 32 : 0;
      for (int i = 0; i < kWarpgroups; ++i) ring_of(params, smem, i).init(1 + gathering, 4);
      columns.init(kMathWarps);
      ptx::fence_mbarrier_init();
      if (params.weights_constant != 0) prefetch_weights<kConfig>(params, {0, params.k_blocks}, 0);
    }
    ptx::warp_sync();
    ptx::barrier_sync(static_cast<int>(sync::NamedBarrier::kCta), kConfig.num_threads());
    ptx::wait_for_previous_grid();

    if (warp >= kMathWarps) {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
      const ResidentLoader<kConfig> loader{params, smem};
      const int warpgroup = warp - kMathWarps;
      if (warpgroup < kWarpgroups)
        loader.run_rows(ring_of(params, smem, warpgroup), warpgroup);
      else if (warpgroup == kWarpgroups && ptx::elect_one())
        loader.run_columns(columns);
      if (warpgroup == 0) ptx::launch_next_grid();
    } else {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_inc<kConfig.math_registers()>();
      run_math(params, smem, warp / 4, warp % 4);
    }
  }

 private:
  FATHOM_DEVICE static Ring ring_of(const Params& params, SmemAddr smem, int warpgroup) {
    const int first = warpgroup * kConfig.num_stages * 8;
    return {smem + (kPlan.full_barriers + first),
            smem + (kPlan.empty_barriers + first),
            {params.wait_report}};
  }

  FATHOM_DEVICE static void run_math(const Params& params, SmemAddr smem, int warpgroup, int warp) {
    Mainloop<kConfig> mainloop(smem, ring_of(params, smem, warpgroup), warpgroup, warp);
    const Epilogue<kConfig> epilogue(params, smem, warpgroup, warp);
    ResidentColumns<kConfig>& columns = mainloop.columns;
    int turn = warpgroup;
    for_each_column<kConfig>(params, [&](int col, int row, int tiles) {
      columns.enter();
      if (turn >= tiles) columns.pass(params.k_blocks);
#pragma unroll 1
      for (; turn < tiles; turn += kWarpgroups) {
        columns.last = turn + kWarpgroups >= tiles;
        mainloop.multiply_tile(params.k_blocks, 0, [](int) {});
        columns.first = false;
        epilogue.store(
            mainloop.sums[0],
            {0, (row + turn) * kConfig.block_m, params.schedule.m, col * kConfig.block_n}, 0);
      }
      turn -= tiles;
    });
    epilogue.finish();
  }
};

}  // namespace fathom::device::gemm
