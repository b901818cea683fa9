// The math of the stream skeleton: a warpgroup multiplies 64 rows by the tile's columns over its
// blocks of k. Warpgroups of the same rows take alternate blocks, which halves the chain wait -
// wgmma - wait - promote per block that bounds small tiles. Device layer of the gemm family; must
// not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/promotion.cuh"
#include "gemm/smem.hpp"
#include "gemm/stream_loader.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"
#include "tile/accumulator.cuh"
#include "tile/descriptor.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct StreamMainloop {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  using Sums = tile::Accumulator<kConfig.block_n>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kTurns = kConfig.k_warpgroups();
  static constexpr int kScaleBlocks = kConfig.scale_b_blocks();

  Ring ring;
  ScaleTables<kConfig> tables;
  tile::OperandTile a, b;  // stage 0; this warpgroup's rows of A
  SmemAddr scale_a;        // block 0, this thread's first row
  SmemAddr scale_b;        // block 0
  sync::RingState at;      // the next stage of this warpgroup's turn
  int until_turn;          // blocks of the next tile before that stage's block
  uint32_t table_phase = 0;
  Sums sums;

  FATHOM_DEVICE StreamMainloop(SmemAddr smem, const Ring& the_ring,
                               const ScaleTables<kConfig>& the_tables, int slice, int turn,
                               int warp)
      : ring(the_ring),
        tables(the_tables),
        a(tile::OperandTile::at(smem + kPlan.a + slice * 64 * kBlockK)),
        b(tile::OperandTile::at(smem + kPlan.b)),
        scale_a(smem + kPlan.scale_a + (slice * 64 + warp * 16 + ptx::lane_index() / 4) * 4),
        scale_b(smem + kPlan.scale_b),
        at{turn, 0},
        until_turn(turn) {}

  /// sums = this warpgroup's blocks of the `k_blocks` blocks that the CTA has of a tile at column
  /// `col`.
  FATHOM_DEVICE void multiply_tile(int k_blocks, int col) {
    sums.zero();
    tables.await(table_phase);
    int block = until_turn;
#pragma unroll 1
    for (; block < k_blocks; block += kTurns) {
      k_block(block, col % 128);
      for (int i = 0; i < kTurns; ++i) at.advance(kConfig.num_stages);
    }
    until_turn = block - k_blocks;
    if (ptx::lane_index() == 0) ptx::mbarrier_arrive(tables.empty());
    table_phase ^= 1;
  }

 private:
  FATHOM_DEVICE void k_block(int block, int into_block) {
    const SmemAddr row = scale_a + block * kPlan.scale_a_stage_bytes;
    const float row_scale[2] = {ptx::load_shared(row), ptx::load_shared(row + 8 * 4)};
    float block_scale[kScaleBlocks];
#pragma unroll
    for (int i = 0; i < kScaleBlocks; ++i)
      block_scale[i] = ptx::load_shared(scale_b + (block * kPlan.scale_b_stage_bytes + i * 4));

    Sums product;
    ring.await(at.stage, at.phase);
    product.start_product(a + at.stage * kPlan.a_stage_bytes, b + at.stage * kPlan.b_stage_bytes);
    const Factors<kConfig> factors(row_scale, block_scale, into_block);
    product.wait();
    if (ptx::lane_index() == 0) ptx::mbarrier_arrive(ring.empty(at.stage));
    factors.promote(sums, product);
  }
};

}  // namespace fathom::device::gemm
