// The loading warpgroup of the compute skeleton: one thread feeds the ring by TMA; a second warp
// copies the scales that TMA cannot fetch: 128x128 scales of B, and any scales that lie in an order
// of their own. Device layer of the gemm family; must not include another family.
#pragma once

#include "gemm/boxes.cuh"
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

namespace fathom::device::gemm {

template <Config kConfig>
FATHOM_DEVICE bool gathers_scales(const Params& p) {
  constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;
  return p.scales_of_a.by_tma == 0 || (kPerRowB && p.scales_of_b.by_tma == 0);
}

/// Lanes of the second warp that copy scales; each arrives once on every full barrier.
template <Config kConfig>
FATHOM_DEVICE int copying_lanes(const Params& p) {
  constexpr int kForBlockScales = kConfig.scale_b == ScaleB::k128x128 ? 1 : 0;
  return gathers_scales<kConfig>(p) ? 32 : kForBlockScales;
}

/// A warp: scales [first, first + count) of one block of k, by 4-byte copies.
template <Config kConfig>
FATHOM_DEVICE void gather(const ScaleView& view, int group, int first, int count, int k_block,
                          SmemAddr to) {
  const float* data = view.data + k_block * view.k_stride;
  if constexpr (kConfig.grouped) data += group * view.group_stride;
#pragma unroll 1
  for (int i = ptx::lane_index(); i < count; i += 32) {
    const int64_t at = min_of(first + i, view.count - 1);
    ptx::cp_async_4(to + i * 4, data + at * view.stride);
  }
}

/// The TMA thread: every block of k of every tile. Whatever it does besides is in series with the
/// latency of the loads.
template <Config kConfig>
struct ComputeOperands {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;

  const Params& params;
  SmemAddr smem;
  Ring ring;
  TileQueue<kConfig> queue;  // grouped
  int pair_rank;
  sync::RingState at;

  /// Dense: knows what to load first, so that the barriers may be made meanwhile.
  FATHOM_DEVICE ComputeOperands(const Params& p, SmemAddr the_smem, const Ring& the_ring,
                                const TileQueue<kConfig>& the_queue, int rank)
      : params(p),
        smem(the_smem),
        ring(the_ring),
        queue(the_queue),
        pair_rank(rank),
        units(p, rank) {
    if (!kConfig.grouped && units.valid()) place = Place(params, units.tile());
  }

  /// The barriers exist.
  FATHOM_DEVICE void run() {
    if constexpr (kConfig.grouped) {
      for (QueueWalk<kConfig, false> walk(queue); walk.valid(); walk.advance()) {
        place = Place(params, walk.tile());
        load_tile();
      }
    } else {
      while (units.valid()) {
        load_tile();
        units.advance();
        if (units.valid()) place = Place(params, units.tile());
      }
    }
    if constexpr (kConfig.early_wait()) end_early_wait();
  }

 private:
  /// A tile's coordinates in the tensor maps, to which groups are further rows.
  struct Place {
    int row, col;              // of A and of B
    int strip;                 // of B
    int scale_row, scale_col;  // of their scales
    int scale_a_k, scale_b_k;  // block 0 of k
    Box a, b;
    uint64_t b_policy;
    int bytes;  // of a block of k

    Place() = default;
    FATHOM_DEVICE Place(const Params& params, const Tile& tile)
        : row(tile.row),
          col(tile.col),
          strip(0),
          scale_row(tile.row),
          scale_col(tile.col),
          scale_a_k(0),
          scale_b_k(0),
          a(box_of_a<kConfig>(params, tile)),
          b(box_of_b<kConfig>(params, tile)),
          b_policy(params.b_policy) {
      bytes = (a.rows * kConfig.cluster_n + b.rows * kConfig.cluster_m + kConfig.strip_n) * kBlockK;
      if (loads_scale_a(params)) bytes += params.scale_a_rows * 4;
      if (kPerRowB && params.scales_of_b.by_tma) bytes += kConfig.block_n * 4;
      if constexpr (kConfig.strip_n > 0) {
        constexpr Config kFolded = kConfig;  // see UnitWalk
        strip = strip_col(kFolded, params.n, tile.col);
      }
      if constexpr (kConfig.grouped) {
        constexpr Config kFolded = kConfig;
        // Planned to be read once, and the group turns out to be longer than a tile.
        if (!ends_item(kFolded, tile)) b_policy = static_cast<uint64_t>(CachePolicy::kNormal);
        scale_row = tile_base(tile.row);
        row = scale_row + tile.group * params.a_group_rows;
        col += tile.group * params.b_group_rows;
        scale_a_k = tile.group * params.scales_of_a.group_blocks;
        scale_b_k = tile.group * params.scales_of_b.group_blocks;
      }
    }
    FATHOM_DEVICE bool loads_scale_a(const Params& params) const {
      return params.scales_of_a.by_tma && (kConfig.grouped || a.rows > 0);
    }
  };

  UnitWalk<kConfig> units;  // dense
  Place place;

  FATHOM_DEVICE void load_tile() {
#pragma unroll 1
    for (int k_block = 0; k_block < params.k_blocks; ++k_block) {
      ring.acquire(at.stage, at.phase);
      load(at.stage, k_block);
      at.advance(kConfig.num_stages);
    }
  }

  /// One stage without data after the last: math warps wait for the next stage before they know
  /// whether there is one.
  FATHOM_DEVICE void end_early_wait() const {
    ring.acquire(at.stage, at.phase);
    ring.expect(at.stage, 0);
  }

  /// One block of k into a stage. A pair shares one operand: each CTA fetches half of it and
  /// multicasts that to both.
  FATHOM_DEVICE void load(int stage, int k_block) const {
    const SmemAddr full = ring.full(stage);
    ring.expect(stage, place.bytes);
    const int k = k_block * kBlockK;
    const SmemAddr a = smem + kPlan.a + stage * kPlan.a_stage_bytes;
    const SmemAddr b = smem + kPlan.b + stage * kPlan.b_stage_bytes;
    load_share<kConfig.cluster_n>(place.a.map(params.a, params.a_tail), place.a.rows, a, k,
                                  place.row, full, params.a_policy);
    load_share<kConfig.cluster_m>(place.b.map(params.b, params.b_tail), place.b.rows, b, k,
                                  place.col, full, place.b_policy);
    if constexpr (kConfig.strip_n > 0)
      ptx::tma_load_2d(b + kConfig.block_n * kBlockK, params.b_strip, k, place.strip, full,
                       place.b_policy);
    if (place.loads_scale_a(params))
      ptx::tma_load_2d(smem + kPlan.scale_a + stage * kPlan.scale_a_stage_bytes, params.scale_a,
                       place.scale_row, place.scale_a_k + k_block, full,
                       static_cast<uint64_t>(CachePolicy::kNormal));
    if (kPerRowB && params.scales_of_b.by_tma)
      ptx::tma_load_2d(smem + kPlan.scale_b + stage * kPlan.scale_b_stage_bytes, params.scale_b,
                       place.scale_col, place.scale_b_k + k_block, full,
                       static_cast<uint64_t>(CachePolicy::kNormal));
  }

  /// kSharers CTAs need the same rows: each loads its box of them for all.
  template <int kSharers>
  FATHOM_DEVICE void load_share(const TensorMap& map, int rows, SmemAddr to, int k, int row,
                                SmemAddr full, uint64_t policy) const {
    if (!kConfig.grouped && rows == 0) return;
    if constexpr (kSharers == 1) {
      ptx::tma_load_2d(to, map, k, row, full, policy);
    } else {
      constexpr uint16_t kEveryCta = (1 << kSharers) - 1;
      const int first = pair_rank * rows;
      ptx::tma_load_2d_multicast(to + first * kBlockK, map, k, row + first, full, kEveryCta,
                                 policy);
    }
  }
};

/// The copying warp, in step with the TMA thread. What it copies it need not wait for.
template <Config kConfig>
struct ComputeScales {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;
  static constexpr int kScaleBlocks = kConfig.block_scales();

  const Params& params;
  SmemAddr smem;
  Ring ring;
  TileQueue<kConfig> queue;  // grouped
  int pair_rank;

  FATHOM_DEVICE void run() const {
    const bool copies = ptx::lane_index() < copying_lanes<kConfig>(params);
    sync::RingState at;
    for (auto walk = walk_tiles<kConfig, true>(params, queue, pair_rank); walk.valid();
         walk.advance()) {
      const Tile tile = walk.tile();
      BlockScales scales(params, tile);
#pragma unroll 1
      for (int k_block = 0; k_block < params.k_blocks; ++k_block) {
        ring.acquire(at.stage, at.phase);
        ptx::warp_sync();  // no lane still waits for what the arrival of others may overtake
        if (!kPerRowB && ptx::lane_index() == 0)
          scales.copy_next(smem + kPlan.scale_b + at.stage * kPlan.scale_b_stage_bytes);
        if (params.scales_of_a.by_tma == 0)
          gather<kConfig>(params.scales_of_a, tile.group,
                          kConfig.grouped ? tile_base(tile.row) : tile.row, kConfig.block_m,
                          k_block, smem + kPlan.scale_a + at.stage * kPlan.scale_a_stage_bytes);
        if (kPerRowB && params.scales_of_b.by_tma == 0)
          gather<kConfig>(params.scales_of_b, tile.group, tile.col, kConfig.block_n, k_block,
                          smem + kPlan.scale_b + at.stage * kPlan.scale_b_stage_bytes);
        if (copies) ptx::cp_async_arrive(ring.full(at.stage));
        at.advance(kConfig.num_stages);
      }
    }
    if constexpr (kConfig.early_wait()) {
      ring.acquire(at.stage, at.phase);
      if (copies) ptx::mbarrier_arrive(ring.full(at.stage));
    }
  }

 private:
  /// The 128x128 scales of B that one tile needs, block of k by block of k.
  struct BlockScales {
    const float* next[kScaleBlocks];
    int64_t step;

    FATHOM_DEVICE BlockScales(const Params& params, const Tile& tile)
        : step(params.scales_of_b.k_stride) {
      const ScaleView& view = params.scales_of_b;
      const float* data = view.data;
      if constexpr (kConfig.grouped) data += tile.group * view.group_stride;
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i) {
        const bool of_strip = kConfig.strip_n > 0 && i == kScaleBlocks - 1;
        const int block = of_strip ? params.n / 128 : tile.col / 128 + i;
        next[i] = data + min_of(block, view.count - 1) * view.stride;
      }
    }
    FATHOM_DEVICE void copy_next(SmemAddr to) {
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i) {
        ptx::cp_async_4(to + i * 4, next[i]);
        next[i] += step;
      }
    }
  };
};

}  // namespace fathom::device::gemm
