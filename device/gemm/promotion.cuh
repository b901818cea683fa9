// The second level of the accumulation: sum += (scale_a * scale_b) * product, in FP32, once per
// block of k. All threads of a math warpgroup, each on its own two rows. Device layer of the gemm
// family; must not include another family.
#pragma once

#include "base/address.hpp"
#include "gemm/config.hpp"
#include "ptx/memory.cuh"
#include "tile/accumulator.cuh"

namespace fathom::device::gemm {

/// The factors of one thread for one block of k, computed under the running wgmma.
///
///   k128x128   scale_a * scale_b for each row and each run of columns that certainly shares a
///   scale of B
///   k1x128     the two scales of A, and the scales of this thread's columns
///   swapped    the scale of B of all rows, and the scales of A of this thread's columns
template <Config kConfig>
struct Factors {
  using Sums = tile::Accumulator<kConfig.right_rows()>;
  static constexpr bool kPerColumn = kConfig.scale_b == ScaleB::k1x128 || kConfig.swap_operands;
  static constexpr int kRunCols = kConfig.scale_b_run();
  static constexpr int kRuns = kPerColumn ? 1 : ceil_div(kConfig.tile_cols(), kRunCols);

  float upper[kRuns];  // row l/4 of the warp's 16
  float lower[kRuns];  // row l/4 + 8
  float column[kPerColumn ? kConfig.right_rows() / 4 : 1];

  /// `into_block`: columns from the start of a 128-column scale block to the first column of the
  /// tile.
  FATHOM_DEVICE Factors(const float (&row_scale)[2],
                        const float (&block_scale)[kConfig.block_scales()], int into_block) {
#pragma unroll
    for (int run = 0; run < kRuns; ++run) {
      float scale = block_scale[0];
#pragma unroll
      for (int i = 1; i < kConfig.scale_b_blocks(); ++i)
        if (into_block + run * kRunCols >= i * 128) scale = block_scale[i];
      if (run * kRunCols >= kConfig.block_n) scale = block_scale[kConfig.block_scales() - 1];
      upper[run] = row_scale[0] * scale;
      lower[run] = row_scale[1] * scale;
    }
  }

  /// `column_scales`: this thread's first column, in a stage's scales of the right operand.
  FATHOM_DEVICE Factors(const float (&row_scale)[2], SmemAddr column_scales) {
    upper[0] = row_scale[0];
    lower[0] = row_scale[1];
#pragma unroll
    for (int group = 0; group < Sums::kGroups; ++group) {
      const ptx::Float2 pair = ptx::load_shared_v2(column_scales + group * 32);
      column[2 * group] = pair.x;
      column[2 * group + 1] = pair.y;
    }
  }

  FATHOM_DEVICE void promote(Sums& sum, const Sums& product) const {
#pragma unroll
    for (int group = 0; group < Sums::kGroups; ++group) {
      float* s = sum.v + 4 * group;
      const float* p = product.v + 4 * group;
      s[0] += factor(upper, group, 0) * p[0];
      s[1] += factor(upper, group, 1) * p[1];
      s[2] += factor(lower, group, 0) * p[2];
      s[3] += factor(lower, group, 1) * p[3];
    }
  }

 private:
  FATHOM_DEVICE float factor(const float (&row)[kRuns], int group, int odd) const {
    if constexpr (kPerColumn)
      return row[0] * column[2 * group + odd];
    else
      return row[group * 8 / kRunCols];
  }
};

}  // namespace fathom::device::gemm
