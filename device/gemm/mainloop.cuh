// The math of the compute skeleton: for each block of k wait, multiply, promote, release. All
// threads of a math warpgroup. Device layer of the gemm family; must not include another family.
//
// The card is at its power cap here, so every instruction around the wgmma counts. Hence: full laps
// of the ring are unrolled, which turns stage numbers into constants; addresses that depend on the
// thread are computed once and made opaque, so that ptxas adds a constant to them instead of
// rebuilding them; descriptors are 32-bit words on the uniform datapath.
#pragma once

#include "gemm/config.hpp"
#include "gemm/promotion.cuh"
#include "gemm/resident_columns.cuh"
#include "gemm/smem.hpp"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"
#include "tile/accumulator.cuh"
#include "tile/descriptor.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct Mainloop {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  using Sums = tile::Accumulator<kConfig.right_rows()>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kStages = kConfig.num_stages;
  static constexpr int kWaves = kConfig.waves();
  static constexpr int kScaleBlocks = kConfig.block_scales();
  static constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;
  static constexpr bool kSwap = kConfig.swap_operands;
  static constexpr int kLeftBytes = kSwap ? kPlan.b_stage_bytes : kPlan.a_stage_bytes;
  static constexpr int kRightBytes = kSwap ? kPlan.a_stage_bytes : kPlan.b_stage_bytes;

  Ring ring;
  ResidentColumns<kConfig> columns;  // kResident
  tile::OperandTile left, right;     // stage 0; this warpgroup's rows of the left operand
  SmemAddr scale_a;          // stage 0, this thread's first row; kSwap: column of the product
  SmemAddr scale_b;          // stage 0
  SmemAddr release_barrier;  // empty(0) of the CTA that this lane signals
  bool releases;             // whether this lane signals one
  sync::RingState at;
  Sums sums[kWaves];
  float row_scale[kWaves]
                 [2];  // scale_a of rows l/4 and l/4 + 8 of each wave; kSwap: scale_b of all
  float block_scale[kScaleBlocks];

  FATHOM_DEVICE Mainloop(SmemAddr smem, const Ring& the_ring, int warpgroup, int warp)
      : ring(the_ring),
        columns{smem, the_ring.waiter},
        left(tile::OperandTile::at(smem + (kSwap ? kPlan.b : kPlan.a) +
                                   warpgroup * kWaves * 64 * kBlockK)),
        right(tile::OperandTile::at(smem + (kSwap ? kPlan.a : kPlan.b))),
        scale_b(smem + kPlan.scale_b + (kPerRowB ? ptx::lane_index() % 4 * 8 : 0)),
        releases(ptx::lane_index() < kConfig.cluster_size()) {
    const int lane = ptx::lane_index();
    scale_a = smem + kPlan.scale_a +
              (kSwap ? lane % 4 * 2 : warpgroup * kWaves * 64 + warp * 16 + lane / 4) * 4;
    first_left = warpgroup * kWaves * 64;
    if constexpr (kSwap) place_scales(0);
    release_barrier = the_ring.empty(0);
    if constexpr (kConfig.cluster_size() > 1)
      release_barrier = ptx::map_to_cta(release_barrier, releases ? lane : 0);
    ptx::make_opaque(scale_a.value);
    ptx::make_opaque(release_barrier.value);
  }

  /// Before the first tile, if there is one.
  FATHOM_DEVICE void start() {
    if constexpr (kConfig.early_wait()) fetch(0, 0);
  }

  /// sums = the product over `k_blocks` blocks of k for a tile at column `col`. While the first
  /// wgmma of each wave runs, under_first(wave) may still use the sums of the tile before.
  template <typename UnderFirst>
  FATHOM_DEVICE void multiply_tile(int k_blocks, int col, const UnderFirst& under_first) {
    const int into_block = col % 128;
    if constexpr (kSwap && kConfig.block_n % 128 != 0) place_scales(into_block);
    const auto start_wave = [&](int wave) {
      under_first(wave);
      sums[wave].zero_here();
    };
    const auto single = [&](int stage, uint32_t phase, bool first) {
      k_block(stage, phase, into_block, [&](int wave) {
        if (first) start_wave(wave);
      });
    };
    const auto in_lap = [&](int stage, uint32_t phase) {
      k_block(stage, phase, into_block, [](int) {});
    };
    if constexpr (kConfig.resident())
      sync::walk_ring_once<kStages>(
          at, k_blocks, [&](int stage, uint32_t phase) { single(stage, phase, stage == 0); });
    else if constexpr (kConfig.whole_laps)
      sync::walk_ring_laps<kStages>(
          at, k_blocks, [&](uint32_t phase) { single(0, phase, true); }, in_lap);
    else
      sync::walk_ring<kStages>(at, k_blocks, single, in_lap);
  }

  /// Grouped: instead of multiply_tile, where no row (swapped: column) of this warpgroup's share is
  /// stored. The tensor cores are left to the other warpgroups.
  FATHOM_DEVICE void skip_tile(int k_blocks) {
#pragma unroll 1
    for (; k_blocks > 0; --k_blocks) {
      if constexpr (!kConfig.early_wait()) ring.await(at.stage, at.phase);
      ptx::warp_sync();  // no lane still waits for what the release may overtake
      release(at.stage);
      at.advance(kStages);
      if constexpr (kConfig.early_wait()) fetch(at.stage, at.phase);
    }
  }

 private:
  int first_left;               // this warpgroup's first row of the left operand
  SmemAddr left_scale[kWaves];  // kSwap: stage 0, the scale of B of each wave

  /// kSwap: the 64 rows of a wave share one scale of B. The early wait reads it before it knows the
  /// tile, but goes with tiles that start where scales do.
  FATHOM_DEVICE void place_scales(int into_block) {
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave)
      left_scale[wave] = scale_b + (into_block + first_left + wave * 64) / 128 * 4;
  }

  /// One block of k. With the early wait, this stage has been waited for already and the next one
  /// is before returning.
  template <typename UnderWgmma>
  FATHOM_DEVICE void k_block(int stage, uint32_t phase, int into_block,
                             const UnderWgmma& under_wgmma) {
    if constexpr (!kConfig.early_wait()) fetch(stage, phase);
    Sums product;
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave) {
      product.start_product(left + (stage * kLeftBytes + wave * 64 * kBlockK),
                            right + stage * kRightBytes);
      const Factors<kConfig> factors = factors_of(wave, stage, into_block);
      under_wgmma(wave);
      const bool last_wave = wave == kWaves - 1;
      if (kConfig.early_wait() && last_wave) {
        const bool wraps = stage == kStages - 1;
        fetch(wraps ? 0 : stage + 1, wraps ? phase ^ 1 : phase);
      }
      product.wait();
      if (last_wave) release(stage);
      factors.promote(sums[wave], product);
    }
  }

  /// Waits for a stage and reads its scales.
  FATHOM_DEVICE void fetch(int stage, uint32_t phase) {
    ring.await(stage, phase);
    if constexpr (kConfig.resident()) columns.await(stage);
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave) {
      if constexpr (kSwap) {
        row_scale[wave][0] = ptx::load_shared(left_scale[wave] + stage * kPlan.scale_b_stage_bytes);
        row_scale[wave][1] = row_scale[wave][0];
        continue;
      }
      const SmemAddr row = scale_a + (stage * kPlan.scale_a_stage_bytes + wave * 64 * 4);
      row_scale[wave][0] = ptx::load_shared(row);
      row_scale[wave][1] = ptx::load_shared(row + 8 * 4);
    }
    if constexpr (!kPerRowB && !kSwap) {
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i)
        block_scale[i] = ptx::load_shared(scale_b + (stage * kPlan.scale_b_stage_bytes + i * 4));
    }
  }

  FATHOM_DEVICE Factors<kConfig> factors_of(int wave, int stage, int into_block) const {
    if constexpr (kSwap)
      return Factors<kConfig>(row_scale[wave], scale_a + stage * kPlan.scale_a_stage_bytes);
    else if constexpr (kPerRowB)
      return Factors<kConfig>(row_scale[wave], scale_b + stage * kPlan.scale_b_stage_bytes);
    else
      return Factors<kConfig>(row_scale[wave], block_scale, into_block);
  }

  FATHOM_DEVICE void release(int stage) const {
    if constexpr (kConfig.resident()) columns.release(stage);
    if (!releases) return;
    if constexpr (kConfig.cluster_size() > 1)
      ptx::mbarrier_arrive_cluster(release_barrier + stage * 8);
    else
      ptx::mbarrier_arrive(release_barrier + stage * 8);
  }
};

}  // namespace fathom::device::gemm
