// The math of the compute skeleton: for each block of k wait, multiply, promote, release. All
// threads of a math warpgroup. Device layer of the gemm family; must not include another family.
//
// The card is at its power cap here, so every instruction around the wgmma counts. Hence: full laps
// of the ring are unrolled, which turns stage numbers into constants; addresses that depend on the
// thread are computed once and made opaque, so that ptxas adds a constant to them instead of
// rebuilding them; descriptors are 32-bit words on the uniform datapath.
#pragma once

#include "gemm/config.hpp"
#include "gemm/smem.hpp"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "sync/ring_state.hpp"
#include "tile/accumulator.cuh"
#include "tile/descriptor.cuh"

namespace fathom::gemm {

template <Config kConfig>
struct Mainloop {
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  using Sums = tile::Accumulator<kConfig.block_n>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kStages = kConfig.num_stages;
  static constexpr int kWaves = kConfig.waves();
  static constexpr int kScaleBlocks = kConfig.scale_b_blocks();
  static constexpr int kRuns = kConfig.block_n / kConfig.scale_b_run();
  static constexpr bool kPerRowB = kConfig.scale_b == ScaleB::k1x128;

  Ring ring;
  tile::OperandTile a, b;    // stage 0; this warpgroup's rows of A
  SmemAddr scale_a;          // stage 0, this thread's first row
  SmemAddr scale_b;          // stage 0
  SmemAddr release_barrier;  // empty(0) of the CTA that this lane signals
  bool releases;             // whether this lane signals one
  sync::RingState at;
  Sums sums[kWaves];
  float row_scale[kWaves][2];  // scale_a of rows l/4 and l/4 + 8 of each wave
  float block_scale[kScaleBlocks];

  FATHOM_DEVICE Mainloop(SmemAddr smem, const Ring& the_ring, int warpgroup, int warp)
      : ring(the_ring),
        a(tile::OperandTile::at(smem + kPlan.a + warpgroup * kWaves * 64 * kBlockK)),
        b(tile::OperandTile::at(smem + kPlan.b)),
        scale_b(smem + kPlan.scale_b + (kPerRowB ? ptx::lane_index() % 4 * 8 : 0)),
        releases(ptx::lane_index() < kConfig.cluster_size()) {
    const int lane = ptx::lane_index();
    scale_a = smem + kPlan.scale_a + (warpgroup * kWaves * 64 + warp * 16 + lane / 4) * 4;
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

  /// sums = the product over `k_blocks` blocks of k for a tile at column `col`.
  FATHOM_DEVICE void multiply_tile(int k_blocks, int col) {
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave) sums[wave].zero();
    const int into_block = col % 128;
    int left = k_blocks;
#pragma unroll 1
    while (left > 0) {
      if (at.stage == 0 && left >= kStages) {
#pragma unroll
        for (int stage = 0; stage < kStages; ++stage) k_block(stage, at.phase, into_block);
        at.phase ^= 1;
        left -= kStages;
      } else {
        k_block(at.stage, at.phase, into_block);
        at.advance(kStages);
        --left;
      }
    }
  }

 private:
  /// One block of k. With the early wait, this stage has been waited for already and the next one
  /// is before returning.
  FATHOM_DEVICE void k_block(int stage, uint32_t phase, int into_block) {
    if constexpr (!kConfig.early_wait()) fetch(stage, phase);
    tile::Accumulator<kConfig.block_n> product;
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave) {
      product.start_product(a + (stage * kPlan.a_stage_bytes + wave * 64 * kBlockK),
                            b + stage * kPlan.b_stage_bytes);
      Factors factors(*this, wave, stage, into_block);
      const bool last_wave = wave == kWaves - 1;
      if (kConfig.early_wait() && last_wave) {
        const bool wraps = stage == kStages - 1;
        fetch(wraps ? 0 : stage + 1, wraps ? phase ^ 1 : phase);
      }
      product.wait();
      if (last_wave) release(stage);
      promote(sums[wave], product, factors);
    }
  }

  /// Waits for a stage and reads its scales.
  FATHOM_DEVICE void fetch(int stage, uint32_t phase) {
    ring.await(stage, phase);
#pragma unroll
    for (int wave = 0; wave < kWaves; ++wave) {
      const SmemAddr row = scale_a + (stage * kPlan.scale_a_stage_bytes + wave * 64 * 4);
      row_scale[wave][0] = ptx::load_shared(row);
      row_scale[wave][1] = ptx::load_shared(row + 8 * 4);
    }
    if constexpr (!kPerRowB) {
#pragma unroll
      for (int i = 0; i < kScaleBlocks; ++i)
        block_scale[i] = ptx::load_shared(scale_b + (stage * kPlan.scale_b_stage_bytes + i * 4));
    }
  }

  FATHOM_DEVICE void release(int stage) const {
    if (!releases) return;
    if constexpr (kConfig.cluster_size() > 1)
      ptx::mbarrier_arrive_cluster(release_barrier + stage * 8);
    else
      ptx::mbarrier_arrive(release_barrier + stage * 8);
  }

  /// scale_a * scale_b of this thread's two rows, for each run of columns that share a scale of B
  /// (k128x128), or the scales themselves (k1x128). Computed under the running wgmma.
  struct Factors {
    static constexpr int kColumns = kPerRowB ? kConfig.block_n / 4 : kRuns;
    float upper[kPerRowB ? 1 : kRuns];  // row l/4
    float lower[kPerRowB ? 1 : kRuns];  // row l/4 + 8
    float column[kPerRowB ? kConfig.block_n / 4 : 1];

    FATHOM_DEVICE Factors(const Mainloop& m, int wave, int stage, int into_block) {
      if constexpr (kPerRowB) {
        upper[0] = m.row_scale[wave][0];
        lower[0] = m.row_scale[wave][1];
#pragma unroll
        for (int group = 0; group < Sums::kGroups; ++group) {
          const ptx::Float2 pair =
              ptx::load_shared_v2(m.scale_b + (stage * kPlan.scale_b_stage_bytes + group * 32));
          column[2 * group] = pair.x;
          column[2 * group + 1] = pair.y;
        }
      } else {
#pragma unroll
        for (int run = 0; run < kRuns; ++run) {
          float scale = m.block_scale[0];
#pragma unroll
          for (int i = 1; i < kScaleBlocks; ++i)
            if (into_block + run * kConfig.scale_b_run() >= i * 128) scale = m.block_scale[i];
          upper[run] = m.row_scale[wave][0] * scale;
          lower[run] = m.row_scale[wave][1] * scale;
        }
      }
    }
    FATHOM_DEVICE float of(bool is_lower, int group, int odd) const {
      if constexpr (kPerRowB)
        return (is_lower ? lower[0] : upper[0]) * column[2 * group + odd];
      else
        return (is_lower ? lower : upper)[group * 8 / kConfig.scale_b_run()];
    }
  };

  /// Second level of the accumulation: sum += (scale_a * scale_b) * product in FP32.
  FATHOM_DEVICE static void promote(Sums& sum, const Sums& product, const Factors& factors) {
#pragma unroll
    for (int group = 0; group < Sums::kGroups; ++group) {
      float* s = sum.v + 4 * group;
      const float* p = product.v + 4 * group;
      s[0] += factors.of(false, group, 0) * p[0];
      s[1] += factors.of(false, group, 1) * p[1];
      s[2] += factors.of(true, group, 0) * p[2];
      s[3] += factors.of(true, group, 1) * p[3];
    }
  }
};

}  // namespace fathom::gemm
