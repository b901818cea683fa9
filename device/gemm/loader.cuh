// The loading warpgroup of the compute skeleton: one thread feeds the ring by TMA; when a scale
// matrix lies in an order that TMA cannot fetch, a second warp gathers it. Device layer of the gemm
// family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "gemm/walk.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"

namespace fathom::gemm {

/// Lanes that arrive on a full barrier besides the TMA thread when scales are gathered.
inline constexpr int kGatherArrivals = 32;

FATHOM_HD constexpr bool gathers_scales(const Config& c, const Params& p) {
  return p.scales_of_a.by_tma == 0 || (c.scale_b == ScaleB::k1x128 && p.scales_of_b.by_tma == 0);
}

template <Config kConfig>
struct Loader {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;
  static constexpr int kScaleBlocks = kConfig.scale_b_blocks();

  const Params& params;
  SmemAddr smem;
  Ring ring;
  int pair_rank;

  /// The TMA thread: every block of k of every tile, then one empty stage that ends the early wait
  /// of the last block.
  FATHOM_DEVICE void run_tma() const {
    sync::RingState at;
    Walk<kConfig> now(params, pair_rank);
    BlockScales next = read_block_scales(now);
    while (now.valid()) {
      const BlockScales scales = next;
      const Tile tile = now.tile;
      const int k_block = now.k_block;
      now.advance();
      if (now.valid()) next = read_block_scales(now);
      ring.acquire(at.stage, at.phase);
      store_block_scales(at.stage, scales);
      ring.expect(at.stage, stage_bytes());
      load_operands(tile, k_block, at.stage);
      at.advance(kConfig.num_stages);
    }
    if constexpr (kConfig.early_wait()) {
      ring.acquire(at.stage, at.phase);
      ring.expect(at.stage, 0);
    }
  }

  /// The gathering warp, in step with run_tma: scales in any order, element by element.
  FATHOM_DEVICE void run_gather(int lane) const {
    sync::RingState at;
    Walk<kConfig> now(params, pair_rank);
    for (; now.valid(); now.advance()) {
      ring.acquire(at.stage, at.phase);
      if (params.scales_of_a.by_tma == 0)
        gather(params.scales_of_a, now.tile.row, kConfig.block_m, now.k_block, lane,
               smem + kPlan.scale_a + at.stage * kPlan.scale_a_stage_bytes);
      if (kPerRowB && params.scales_of_b.by_tma == 0)
        gather(params.scales_of_b, now.tile.col, kConfig.block_n, now.k_block, lane,
               smem + kPlan.scale_b + at.stage * kPlan.scale_b_stage_bytes);
      ptx::mbarrier_arrive(ring.full(at.stage));
      at.advance(kConfig.num_stages);
    }
    if constexpr (kConfig.early_wait()) {
      ring.acquire(at.stage, at.phase);
      ptx::mbarrier_arrive(ring.full(at.stage));
    }
  }

 private:
  /// The 128x128 scales of B that one tile needs for one block of k.
  struct BlockScales {
    float value[kScaleBlocks];
  };

  FATHOM_DEVICE BlockScales read_block_scales(const Walk<kConfig>& at) const {
    BlockScales scales = {};
    if constexpr (!kPerRowB) {
      if (!at.valid()) return scales;
      const ScaleView& view = params.scales_of_b;
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i) {
        const int64_t block = min_of(at.tile.col / 128 + i, view.count - 1);
        scales.value[i] =
            ptx::load_global(view.data + block * view.stride + at.k_block * view.k_stride);
      }
    }
    return scales;
  }

  /// Published by the arrival in expect().
  FATHOM_DEVICE void store_block_scales(int stage, const BlockScales& scales) const {
    if constexpr (!kPerRowB) {
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i)
        ptx::store_shared(smem + kPlan.scale_b + stage * kPlan.scale_b_stage_bytes + i * 4,
                          scales.value[i]);
    }
  }

  FATHOM_DEVICE int stage_bytes() const {
    return kPlan.a_stage_bytes + kPlan.b_stage_bytes +
           (params.scales_of_a.by_tma ? kPlan.scale_a_stage_bytes : 0) +
           (kPerRowB && params.scales_of_b.by_tma ? kConfig.block_n * 4 : 0);
  }

  /// One block of k into a stage. A pair shares one operand: each CTA fetches half of it and
  /// multicasts that to both.
  FATHOM_DEVICE void load_operands(const Tile& tile, int k_block, int stage) const {
    const SmemAddr full = ring.full(stage);
    const int k = k_block * kBlockK;
    const SmemAddr a = smem + kPlan.a + stage * kPlan.a_stage_bytes;
    const SmemAddr b = smem + kPlan.b + stage * kPlan.b_stage_bytes;
    load_shared_half<kConfig.cluster_n, kConfig.block_m>(params.a, a, k, tile.row, full,
                                                         params.a_policy);
    load_shared_half<kConfig.cluster_m, kConfig.block_n>(params.b, b, k, tile.col, full,
                                                         params.b_policy);
    if (params.scales_of_a.by_tma)
      ptx::tma_load_2d(smem + kPlan.scale_a + stage * kPlan.scale_a_stage_bytes, params.scale_a,
                       tile.row, k_block, full, static_cast<uint64_t>(CachePolicy::kNormal));
    if (kPerRowB && params.scales_of_b.by_tma)
      ptx::tma_load_2d(smem + kPlan.scale_b + stage * kPlan.scale_b_stage_bytes, params.scale_b,
                       tile.col, k_block, full, static_cast<uint64_t>(CachePolicy::kNormal));
  }

  /// kSharers CTAs need the same kRows rows: each loads its part for all.
  template <int kSharers, int kRows>
  FATHOM_DEVICE void load_shared_half(const TensorMap& map, SmemAddr to, int k, int row,
                                      SmemAddr full, uint64_t policy) const {
    if constexpr (kSharers == 1) {
      ptx::tma_load_2d(to, map, k, row, full, policy);
    } else {
      constexpr int kPart = kRows / kSharers;
      constexpr uint16_t kEveryCta = (1 << kSharers) - 1;
      ptx::tma_load_2d_multicast(to + pair_rank * kPart * kBlockK, map, k, row + pair_rank * kPart,
                                 full, kEveryCta, policy);
    }
  }

  FATHOM_DEVICE static void gather(const ScaleView& view, int first, int count, int k_block,
                                   int lane, SmemAddr to) {
    for (int i = lane; i < count; i += 32) {
      const int64_t at = min_of(first + i, view.count - 1);
      ptx::store_shared(to + i * 4,
                        ptx::load_global(view.data + at * view.stride + k_block * view.k_stride));
    }
  }
};

}  // namespace fathom::gemm
