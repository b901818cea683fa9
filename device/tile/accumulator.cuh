// A warpgroup's 64 x kCols share of a product in registers. Tile layer: includes base/ and ptx/.
//
// Lane l of warp w holds, for each group g of 8 columns (PTX ISA, wgmma accumulator layout):
//
//   v[4g + 0], v[4g + 1]   row 16w + l/4,      columns 8g + 2(l%4), + 1
//   v[4g + 2], v[4g + 3]   row 16w + l/4 + 8,  the same columns
#pragma once

#include "base/types.hpp"
#include "ptx/wgmma.cuh"
#include "ptx/wgmma_e4m3.cuh"
#include "tile/descriptor.cuh"

namespace fathom::tile {

template <int kCols>
struct Accumulator {
  static constexpr int kGroups = kCols / 8;
  float v[kCols / 2];

  FATHOM_DEVICE void zero() {
#pragma unroll
    for (float& x : v) x = 0.0f;
  }

  /// zero() at this very place: the compiler makes a branch around zero() into a select for every
  /// next sum.
  FATHOM_DEVICE void zero_here() {
    zero();
    pin();
  }

  /// Starts v = A * B over one block of 128 of k: four wgmma in one group. v must not be touched
  /// before wait().
  FATHOM_DEVICE void start_product(OperandTile a, OperandTile b) {
    pin();
    ptx::wgmma_fence();
    const uint64_t of_a[4] = {a.descriptor(), (a + 32).descriptor(), (a + 64).descriptor(),
                              (a + 96).descriptor()};
    const uint64_t of_b[4] = {b.descriptor(), (b + 32).descriptor(), (b + 64).descriptor(),
                              (b + 96).descriptor()};
    ptx::WgmmaE4m3<kCols>::mma(v, of_a, of_b);
    ptx::wgmma_commit_group();
    pin();
  }

  /// Until this product is there; `kLater`: of the products started after it, so many may run on.
  template <int kLater = 0>
  FATHOM_DEVICE void wait() {
    ptx::wgmma_wait_group<kLater>();
    pin();
  }

 private:
  FATHOM_DEVICE void pin() {
#pragma unroll
    for (float& x : v) ptx::pin_accumulator(x);
  }
};

}  // namespace fathom::tile
