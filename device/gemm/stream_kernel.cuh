// The stream skeleton: few rows, bound by reading the weights once. Device layer of the gemm
// family; must not include another family.
//
// A tile has few columns, so that tiles fill the SMs; its k range is split over the CTAs of a
// cluster and over warpgroups that take alternate blocks, and their sums are added through shared
// memory. The ring is deep: at 4.3 TB/s and about 1 us of latency an SM needs 33 KB or more of
// weights in flight. Asking for stages before the first CTA barrier gains nothing
// (bench/journal.md).
#pragma once

#include "gemm/config.hpp"
#include "gemm/epilogue.cuh"
#include "gemm/params.hpp"
#include "gemm/prefetch.cuh"
#include "gemm/smem.hpp"
#include "gemm/split_reduction.cuh"
#include "gemm/stream_loader.cuh"
#include "gemm/stream_mainloop.cuh"
#include "gemm/walk.cuh"
#include "ptx/barrier.cuh"
#include "ptx/grid.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct StreamKernel {
  static_assert(why_illegal(kConfig) == nullptr);
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kMathWarps = kConfig.math_warpgroups * 4;
  static constexpr int kSlices = kConfig.block_m / kWgmmaM;

  FATHOM_DEVICE static void run(const Params& params, unsigned char* dynamic_smem) {
    const SmemAddr smem = ptx::smem_address(dynamic_smem);
    const int warp = ptx::warp_uniform(ptx::thread_index() / 32);
    const int rank = kConfig.split_k > 1 ? ptx::cluster_rank() : 0;
    const KRange range = k_range(params.k_blocks, rank, kConfig.split_k);
    const Ring ring{smem + kPlan.full_barriers, smem + kPlan.empty_barriers, {params.wait_report}};
    const ScaleTables<kConfig> tables{smem, {params.wait_report}};

    if (warp == kMathWarps && ptx::elect_one()) {
      init_barriers(ring, tables, rank);
      if (params.weights_constant != 0) prefetch_weights<kConfig>(params, range, 0);
    }
    ptx::warp_sync();
    start_together();
    ptx::wait_for_previous_grid();
    if (warp >= kMathWarps) {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
      if (warp == kMathWarps) {
        if (ptx::elect_one()) {
          stream_operands<kConfig>(params, smem, ring, range);
          ptx::launch_next_grid();
        }
      } else if (warp == kMathWarps + 1) {
        StreamScales<kConfig>{params, tables, range}.run();
      }
    } else {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_inc<kConfig.math_registers()>();
      run_math(params, smem, ring, tables, warp, rank, range.end - range.begin);
    }
  }

 private:
  FATHOM_DEVICE static void init_barriers(const Ring& ring, const ScaleTables<kConfig>& tables,
                                          int rank) {
    ring.init(1, kSlices * 4);
    tables.init();
    if constexpr (kConfig.k_parts() > 1) SplitReduction<kConfig>::init(tables.smem, rank);
    ptx::fence_mbarrier_init();
  }

  /// The barriers of this CTA exist. That those of the cluster do is known only after cluster_wait.
  FATHOM_DEVICE static void start_together() {
    ptx::barrier_sync(static_cast<int>(sync::NamedBarrier::kCta), kConfig.num_threads());
    if constexpr (kConfig.split_k > 1) ptx::cluster_arrive_relaxed();
  }

  FATHOM_DEVICE static void run_math(const Params& params, SmemAddr smem, const Ring& ring,
                                     const ScaleTables<kConfig>& tables, int warp, int rank,
                                     int k_blocks) {
    const int warpgroup = warp / 4;
    const int slice = warpgroup % kSlices;
    const int turn = warpgroup / kSlices;
    StreamMainloop<kConfig> mainloop(params, smem, ring, tables, warp);
    TileWalk<kConfig> walk(params, 0);
    if constexpr (kConfig.k_parts() == 1) {
      const Epilogue<kConfig> epilogue(params, smem, warpgroup, warp % 4);
      for (; walk.valid(); walk.advance()) {
        mainloop.multiply_tile(k_blocks, walk.tile().col);
        epilogue.store(mainloop.sums, walk.tile(), 0);
      }
      epilogue.finish();
    } else {
      SplitReduction<kConfig> reduction{params,
                                        smem,
                                        ring.waiter,
                                        slice,
                                        rank * kConfig.k_warpgroups() + turn,
                                        ptx::thread_index() % kWarpgroupThreads};
      for (bool first = true; walk.valid(); first = false) {
        const Tile tile = walk.tile();
        mainloop.multiply_tile(k_blocks, tile.col);
        if (kConfig.split_k > 1 && first) ptx::cluster_wait();
        walk.advance();
        reduction.run(mainloop.sums, tile, first, !walk.valid());
      }
    }
  }
};

}  // namespace fathom::device::gemm
