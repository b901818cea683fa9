// The loading warps of the resident skeleton: one for each math warpgroup's rows of A, one for the
// columns of B. Device layer of the gemm family; must not include another family.
#pragma once

#include "gemm/boxes.cuh"
#include "gemm/config.hpp"
#include "gemm/loader.cuh"
#include "gemm/params.hpp"
#include "gemm/resident_columns.cuh"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"

namespace fathom::device::gemm {

template <Config kConfig>
struct ResidentLoader {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);

  const Params& params;
  SmemAddr smem;

  /// One warp: the rows of A, and their scales, of every tile of `warpgroup`. Without scales to
  /// gather one thread does it alone.
  FATHOM_DEVICE void run_rows(const Ring& ring, int warpgroup) const {
    if (params.scales_of_a.by_tma == 0)
      load_rows<true>(ring, warpgroup);
    else if (ptx::elect_one())
      load_rows<false>(ring, warpgroup);
  }

  /// One thread: the columns of B, block of k by block of k as the math warps leave those of the
  /// column before, and the scale of each block.
  FATHOM_DEVICE void run_columns(const ResidentColumns<kConfig>& columns) const {
    uint32_t phase = 0;
    for_each_column<kConfig>(params, [&](int tile_col, int, int) {
      const Tile tile{0, 0, params.schedule.m, tile_col * kConfig.block_n};
      const Box box = box_of_b<kConfig>(params, tile);
      const ScaleView& view = params.scales_of_b;
      const float* scale = view.data + min_of(tile.col / 128, view.count - 1) * view.stride;
#pragma unroll 1
      for (int block = 0; block < params.k_blocks; ++block, scale += view.k_stride) {
        columns.acquire(block, phase);
        const SmemAddr full = columns.full(block);
        ptx::mbarrier_arrive_expect_tx(full, box.rows * kBlockK);
        ptx::tma_load_2d(smem + kPlan.b + block * kPlan.b_stage_bytes,
                         box.map(params.b, params.b_tail), block * kBlockK, tile.col, full,
                         params.b_policy);
        ptx::cp_async_4(smem + kPlan.scale_b + block * kPlan.scale_b_stage_bytes, scale);
        ptx::cp_async_arrive(full);
      }
      phase ^= 1;
    });
  }

 private:
  template <bool kGathers>
  FATHOM_DEVICE void load_rows(const Ring& ring, int warpgroup) const {
    const SmemAddr rows = smem + kPlan.a + warpgroup * kConfig.block_m * kBlockK;
    const SmemAddr scales = smem + kPlan.scale_a + warpgroup * kConfig.block_m * 4;
    sync::RingState at;
    int turn = warpgroup;
    for_each_column<kConfig>(params, [&](int, int row, int tiles) {
#pragma unroll 1
      for (; turn < tiles; turn += kConfig.math_warpgroups) {
        const Tile tile{0, (row + turn) * kConfig.block_m, params.schedule.m, 0};
        const Box box = box_of_a<kConfig>(params, tile);
        const int bytes = box.rows * kBlockK + (kGathers ? 0 : params.scale_a_rows * 4);
        sync::walk_ring_once<kConfig.num_stages>(
            at, params.k_blocks, [&](int stage, uint32_t phase) {
              ring.acquire(stage, phase);
              const SmemAddr full = ring.full(stage);
              const SmemAddr scale = scales + stage * kPlan.scale_a_stage_bytes;
              if constexpr (kGathers) {
                ptx::warp_sync();  // no lane still waits for what the arrival of others may
                                   // overtake
                gather<kConfig>(params.scales_of_a, 0, tile.row, kConfig.block_m, stage, scale);
                ptx::cp_async_arrive(full);
                if (!ptx::elect_one()) return;
              }
              ring.expect(stage, bytes);
              ptx::tma_load_2d(rows + stage * kPlan.a_stage_bytes, box.map(params.a, params.a_tail),
                               stage * kBlockK, tile.row, full, params.a_policy);
              if constexpr (!kGathers)
                ptx::tma_load_2d(scale, params.scale_a, tile.row, stage, full,
                                 static_cast<uint64_t>(CachePolicy::kNormal));
            });
      }
      turn -= tiles;
    });
  }
};

}  // namespace fathom::device::gemm
