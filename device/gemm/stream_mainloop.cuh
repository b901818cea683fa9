// The math of the stream skeleton: a warpgroup multiplies 64 rows by the tile's columns over its
// blocks of k. Warpgroups of the same rows take alternate blocks, and each has two of its blocks in
// flight where registers allow: both shorten the chain wait - wgmma - wait - promote per block.
//
//   three in a row   wgmma 0 | wgmma 1   | wgmma 2   |
//                            | promote 0 | promote 1 | promote 2
//
// Device layer of the gemm family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
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
  static constexpr int kSlices = kConfig.block_m / kWgmmaM;
  static constexpr int kTurns = kConfig.k_warpgroups();
  static constexpr int kInARow = kConfig.blocks_in_a_row();
  static constexpr int kScaleBlocks = kConfig.scale_b_blocks();

  Ring ring;
  ScaleTables<kConfig> tables;
  tile::OperandTile a, b;  // stage 0; this warpgroup's rows of A
  SmemAddr scale_a[2];     // block 0, this thread's two rows
  int scale_a_pitch;       // bytes of a block of k
  SmemAddr scale_b;        // block 0
  sync::RingState at;      // the next stage of this warpgroup's turn
  int until_turn;          // blocks of the next tile before that stage's block
  uint32_t table_phase = 0;
  Sums sums;

  FATHOM_DEVICE StreamMainloop(const Params& params, SmemAddr smem, const Ring& the_ring,
                               const ScaleTables<kConfig>& the_tables, int math_warp)
      : ring(the_ring),
        tables(the_tables),
        a(tile::OperandTile::at(smem + kPlan.a + math_warp / 4 % kSlices * 64 * kBlockK)),
        b(tile::OperandTile::at(smem + kPlan.b)),
        scale_a_pitch(params.scale_a_rows * 4),
        scale_b(smem + kPlan.scale_b),
        at{math_warp / 4 / kSlices, 0},
        until_turn(at.stage) {
    // Rows without a scale are not stored; they take the last one's.
    const int row = math_warp / 4 % kSlices * 64 + math_warp % 4 * 16 + ptx::lane_index() / 4;
    for (int i = 0; i < 2; ++i)
      scale_a[i] = smem + kPlan.scale_a + min_of(row + 8 * i, params.scale_a_rows - 1) * 4;
  }

  /// sums = this warpgroup's blocks of the `k_blocks` blocks that the CTA has of a tile at column
  /// `col`.
  FATHOM_DEVICE void multiply_tile(int k_blocks, int col) {
    sums.zero();
    tables.await(table_phase);
    int block = until_turn;
    // What is left over comes first: code that no cache holds must not stand at the end.
    if constexpr (kInARow == 2) {
      if (block < k_blocks && (k_blocks - block - 1) / kTurns % 2 == 0) {
        multiply<1>(block, col % 128);
        block += kTurns;
      }
    } else if constexpr (kInARow > 2) {
#pragma unroll 1
      for (; ceil_div(k_blocks - block, kTurns) % kInARow > 0; block += kTurns)
        multiply<1>(block, col % 128);
    }
#pragma unroll 1
    for (; block < k_blocks; block += kInARow * kTurns) multiply<kInARow>(block, col % 128);
    until_turn = block - k_blocks;
    ptx::warp_sync();  // a warpgroup without a block of k has met nobody since the table arrived
    if (ptx::lane_index() == 0) ptx::mbarrier_arrive(tables.empty());
    table_phase ^= 1;
  }

 private:
  /// What one block in flight holds.
  struct InFlight {
    sync::RingState at;
    float row_scale[2];
    float block_scale[kScaleBlocks];
    Sums product;
  };

  /// sums += kCount blocks of this warpgroup's turn, from `block` on. While one is promoted the
  /// next is multiplied.
  template <int kCount>
  FATHOM_DEVICE void multiply(int block, int into_block) {
    InFlight flight[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      flight[i].at = at;
      for (int turn = 0; turn < kTurns; ++turn) at.advance(kConfig.num_stages);
      load_scales(block + i * kTurns, flight[i]);
    }
#pragma unroll
    for (int i = 0; i <= kCount; ++i) {
      if (i < kCount) {
        const sync::RingState& from = flight[i].at;
        ring.await(from.stage, from.phase);
        flight[i].product.start_product(a + from.stage * kPlan.a_stage_bytes,
                                        b + from.stage * kPlan.b_stage_bytes);
      }
      if (i == 0) continue;
      InFlight& done = flight[i - 1];
      const Factors<kConfig> factors(done.row_scale, done.block_scale, into_block);
      if (i < kCount)
        done.product.template wait<1>();
      else
        done.product.template wait<0>();
      if (ptx::lane_index() == 0) ptx::mbarrier_arrive(ring.empty(done.at.stage));
      factors.promote(sums, done.product);
    }
  }

  FATHOM_DEVICE void load_scales(int block, InFlight& to) const {
#pragma unroll
    for (int i = 0; i < 2; ++i)
      to.row_scale[i] = ptx::load_shared(scale_a[i] + block * scale_a_pitch);
#pragma unroll
    for (int i = 0; i < kScaleBlocks; ++i)
      to.block_scale[i] = ptx::load_shared(scale_b + (block * kPlan.scale_b_stage_bytes + i * 4));
  }
};

}  // namespace fathom::device::gemm
