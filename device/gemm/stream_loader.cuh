// The loading warpgroup of the stream skeleton: one thread feeds the ring by TMA, a second warp
// fetches the scales of a whole tile at once. Device layer of the gemm family; must not include
// another family.
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

/// The scale tables of a tile: A's [k block][scale_a_rows] and B's [k block][scale_b_blocks], in
/// one buffer used tile by tile.
template <Config kConfig>
struct ScaleTables {
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  SmemAddr smem;
  sync::Waiter<kConfig.bounded_waits> waiter;

  FATHOM_DEVICE SmemAddr full() const { return smem + kPlan.scales_full_barrier; }
  FATHOM_DEVICE SmemAddr empty() const { return smem + kPlan.scales_empty_barrier; }

  /// A full table: 32 lanes' cp.async, one of which also expects the bytes of TMA.
  FATHOM_DEVICE void init() const {
    ptx::mbarrier_init(full(), 32 + 1);
    ptx::mbarrier_init(empty(), kConfig.math_warpgroups * 4);
  }
  FATHOM_DEVICE void acquire(uint32_t phase) const {
    waiter.wait(empty(), phase ^ 1, sync::BarrierName::kScalesEmpty, 0);
  }
  FATHOM_DEVICE void await(uint32_t phase) const {
    waiter.wait(full(), phase, sync::BarrierName::kScalesFull, 0);
  }
};

/// The TMA thread: every block of k of every tile; weights first, they come from farther away.
template <Config kConfig>
FATHOM_DEVICE void stream_operands(
    const Params& params, SmemAddr smem,
    const sync::Ring<kConfig.num_stages, kConfig.bounded_waits>& ring, KRange range) {
  constexpr SmemPlan kPlan = plan_smem(kConfig);
  sync::RingState at;
  for (TileWalk<kConfig> walk(params, 0); walk.valid(); walk.advance()) {
    const Box a = box_of_a<kConfig>(params, walk.tile());
    const Box b = box_of_b<kConfig>(params, walk.tile());
    for (int k_block = range.begin; k_block < range.end; ++k_block) {
      const SmemAddr full = ring.full(at.stage);
      ring.acquire(at.stage, at.phase);
      ring.expect(at.stage, (a.rows + b.rows) * kBlockK);
      ptx::tma_load_2d(smem + kPlan.b + at.stage * kPlan.b_stage_bytes,
                       b.map(params.b, params.b_tail), k_block * kBlockK, walk.tile().col, full,
                       params.b_policy);
      ptx::tma_load_2d(smem + kPlan.a + at.stage * kPlan.a_stage_bytes,
                       a.map(params.a, params.a_tail), k_block * kBlockK, walk.tile().row, full,
                       params.a_policy);
      at.advance(kConfig.num_stages);
    }
  }
}

/// The scale warp: all scales of a tile at once, A's by TMA where its layout allows, the rest by
/// cp.async.
template <Config kConfig>
struct StreamScales {
  static constexpr SmemPlan kPlan = plan_smem(kConfig);

  const Params& params;
  ScaleTables<kConfig> tables;
  KRange range;

  FATHOM_DEVICE void run() const {
    uint32_t phase = 0;
    for (TileWalk<kConfig> walk(params, 0); walk.valid(); walk.advance()) {
      tables.acquire(phase);
      if (ptx::elect_one()) start_tma(walk.tile());
      ptx::warp_sync();
      if (params.scales_of_a.by_tma == 0)
        gather(params.scales_of_a, walk.tile().row, params.scale_a_rows,
               tables.smem + kPlan.scale_a);
      gather(params.scales_of_b, walk.tile().col / 128, kConfig.scale_b_blocks(),
             tables.smem + kPlan.scale_b);
      ptx::cp_async_arrive(tables.full());
      phase ^= 1;
    }
  }

 private:
  /// One arrival on the tables, with or without bytes.
  FATHOM_DEVICE void start_tma(const Tile& tile) const {
    const bool by_tma = params.scales_of_a.by_tma != 0;
    const int box_blocks = ceil_div(params.k_blocks, kConfig.split_k);
    ptx::mbarrier_arrive_expect_tx(tables.full(),
                                   by_tma ? box_blocks * params.scale_a_rows * 4 : 0);
    if (by_tma)
      ptx::tma_load_2d(tables.smem + kPlan.scale_a, params.scale_a, tile.row, range.begin,
                       tables.full(), static_cast<uint64_t>(CachePolicy::kNormal));
  }

  /// to[block][i] = scale (first + i, range.begin + block), repeating the last one that exists.
  FATHOM_DEVICE void gather(const ScaleView& view, int first, int count, SmemAddr to) const {
#pragma unroll 1
    for (int j = ptx::lane_index(); j < (range.end - range.begin) * count; j += 32) {
      const int block = j / count;
      const int64_t i = min_of(first + j - block * count, view.count - 1);
      ptx::cp_async_4(to + j * 4,
                      view.data + i * view.stride + (range.begin + block) * view.k_stride);
    }
  }
};

}  // namespace fathom::device::gemm
