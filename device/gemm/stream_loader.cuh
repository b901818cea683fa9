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
struct StreamOperands {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kStages = kConfig.num_stages;

  const Params& params;
  SmemAddr smem;
  Ring ring;
  KRange range;
  TileWalk<kConfig> walk;
  const TensorMap* a_map;  // of the walk's tile
  const TensorMap* b_map;
  int bytes;  // of a block of k
  sync::RingState at;

  /// Knows what to load, so that the barriers may be made meanwhile.
  FATHOM_DEVICE StreamOperands(const Params& p, SmemAddr the_smem, const Ring& the_ring,
                               KRange the_range)
      : params(p), smem(the_smem), ring(the_ring), range(the_range), walk(p, 0) {
    choose_boxes();
  }

  /// The barriers exist.
  FATHOM_DEVICE void run() {
    if (!walk.valid()) return;
    int k_block = range.begin + load_first_lap();
    while (true) {
      for (; k_block < range.end; ++k_block) {
        ring.acquire(at.stage, at.phase);
        load(at.stage, k_block);
        at.advance(kStages);
      }
      walk.advance();
      if (!walk.valid()) return;
      choose_boxes();
      k_block = range.begin;
    }
  }

 private:
  FATHOM_DEVICE void choose_boxes() {
    const Box a = box_of_a<kConfig>(params, walk.tile());
    const Box b = box_of_b<kConfig>(params, walk.tile());
    a_map = &a.map(params.a, params.a_tail);
    b_map = &b.map(params.b, params.b_tail);
    bytes = (a.rows + b.rows) * kBlockK;
  }

  /// Fills the free ring without a look at its barriers: 100 clocks a stage instead of 160, while
  /// memory has nothing else to do. Returns the blocks of k loaded.
  FATHOM_DEVICE int load_first_lap() {
    const int blocks = min_of(range.end - range.begin, kStages);
#pragma unroll 1
    for (int stage = 0; stage < blocks; ++stage) load(stage, range.begin + stage);
    if (blocks == kStages)
      at.phase = 1;
    else
      at.stage = blocks;
    return blocks;
  }

  FATHOM_DEVICE void load(int stage, int k_block) const {
    const SmemAddr full = ring.full(stage);
    ring.expect(stage, bytes);
    ptx::tma_load_2d(smem + kPlan.b + stage * kPlan.b_stage_bytes, *b_map, k_block * kBlockK,
                     walk.tile().col, full, params.b_policy);
    ptx::tma_load_2d(smem + kPlan.a + stage * kPlan.a_stage_bytes, *a_map, k_block * kBlockK,
                     walk.tile().row, full, params.a_policy);
  }
};

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
