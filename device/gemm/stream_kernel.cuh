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
#include "gemm/params.hpp"
#include "gemm/prefetch.cuh"
#include "gemm/row_store.cuh"
#include "gemm/smem.hpp"
#include "gemm/split_reduction.cuh"
#include "gemm/staging.cuh"
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

    if (warp == kMathWarps) {
      StreamOperands<kConfig> operands(params, smem, ring, range);
      start_together(true);
      ptx::wait_for_previous_grid();
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
      if (ptx::elect_one()) {
        operands.run();
        ptx::launch_next_grid();
      }
      return;
    }
    if (ptx::elect_one()) make_barriers(warp, ring, tables, rank);
    ptx::warp_sync();
    start_together(warp != kMathWarps + 1);
    if (warp == kMathWarps + 2 && params.weights_constant != 0 && ptx::elect_one())
      prefetch_weights<kConfig>(params, range, 0);
    ptx::wait_for_previous_grid();
    if (warp < kMathWarps) {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_inc<kConfig.math_registers()>();
      run_math(params, smem, ring, tables, warp, rank, range.end - range.begin);
    } else {
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
      if (warp == kMathWarps + 1) StreamScales<kConfig>{params, tables, range}.run();
    }
  }

 private:
  /// One thread of each warp: a thread makes them 12 clocks apart.
  FATHOM_DEVICE static void make_barriers(int warp, const Ring& ring,
                                          const ScaleTables<kConfig>& tables, int rank) {
    if (warp == 0) ring.init_full(1);
    if (warp == 1) ring.init_empty(kSlices * 4);
    if constexpr (kConfig.k_parts() > 1)
      if (warp == 2) SplitReduction<kConfig>::init(tables.smem, rank);
    if (warp == kMathWarps + 1) tables.init();
    ptx::fence_mbarrier_init();
  }

  /// All barriers of this CTA exist, for warps that wait; the scale warp needs only those that it
  /// made. That those of the cluster do is known only after cluster_wait.
  FATHOM_DEVICE static void start_together(bool wait) {
    constexpr int kId = static_cast<int>(sync::NamedBarrier::kCta);
    if (wait)
      ptx::barrier_sync_unaligned(kId, kConfig.num_threads());
    else
      ptx::barrier_arrive(kId, kConfig.num_threads());
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
      const Staging<kConfig> staging(smem, warpgroup, warp % 4);
      for (; walk.valid(); walk.advance()) {
        const Tile tile = walk.tile();
        const int row = tile.row + slice * kWgmmaM + warp % 4 * kConfig.d_rows();
        const RowStore<kConfig> rows(params, row, tile.col);
        mainloop.multiply_tile(k_blocks, tile.col);
        store(mainloop.sums, staging, rows, tile.row_end - row);
      }
    } else {
      SplitReduction<kConfig> reduction{params,
                                        smem,
                                        ring.waiter,
                                        slice,
                                        rank * kConfig.k_warpgroups() + turn,
                                        ptx::thread_index() % kWarpgroupThreads};
      if constexpr (kConfig.split_k > 1) ptx::cluster_wait();
      for (bool first = true; walk.valid(); first = false) {
        const Tile tile = walk.tile();
        walk.advance();
        const bool last = !walk.valid();
        mainloop.multiply_tile(k_blocks, tile.col);
        reduction.run(mainloop.sums, tile, first, last);
      }
    }
  }

  /// A warp's 16 rows of a tile, of which the first `end` exist.
  FATHOM_DEVICE static void store(const typename StreamMainloop<kConfig>::Sums& sums,
                                  const Staging<kConfig>& staging, const RowStore<kConfig>& rows,
                                  int end) {
#pragma unroll
    for (int chunk = 0; chunk < kConfig.d_chunks(); chunk += kConfig.staging_chunks) {
      staging.sync();
      staging.stage(sums, chunk);
      staging.sync();
      rows.store(staging, chunk, {0, end});
    }
  }
};

}  // namespace fathom::device::gemm
