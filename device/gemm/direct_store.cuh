// Elements of D that leave a thread by plain stores: sums of split k, strips, and the ragged
// columns that TMA cannot clip. Device layer of the gemm family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "ptx/cast.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"

namespace fathom::device::gemm {

/// d[row, col] = v or += v, when the column exists. fp32.
FATHOM_DEVICE void store_element(const Params& params, float v, int row, int col) {
  if (col >= params.n) return;
  float* d = static_cast<float*>(params.d_data) + (row * params.d_pitch + col);
  ptx::store_global(d, params.accumulate != 0 ? ptx::load_global(d) + v : v);
}

/// Where a thread's share of a product goes in D: of every 8 columns wgmma gives it two neighbours
/// in a row, and in the row 8 below. Made ahead of the sums: then a store is a comparison and an
/// instruction.
template <Config kConfig>
struct DirectStore {
  const Params& params;
  int row, col;         // of D: its first
  int cols;             // of D from there on
  bool has_row[2];      // whether the row and the one 8 below are stored
  unsigned char* d[2];  // the first pair of each

  /// Of the rows before row_end.
  FATHOM_DEVICE DirectStore(const Params& p, int the_row, int row_end, int the_col)
      : params(p), row(the_row), col(the_col), cols(p.n - the_col) {
    for (int i = 0; i < 2; ++i) {
      has_row[i] = row + 8 * i < row_end;
      d[i] = static_cast<unsigned char*>(p.d_data) +
             ((row + 8 * i) * p.d_pitch + col) * kConfig.d_bytes();
      ptx::make_opaque(d[i]);
    }
    ptx::make_opaque(cols);
  }

  /// v.x and v.y to the pair of 8-column group `group`, v.z and v.w to that 8 rows below, as far as
  /// the columns exist.
  FATHOM_DEVICE void store(int group, const ptx::Float4& v) const {
    const float of_row[2][2] = {{v.x, v.y}, {v.z, v.w}};
    if constexpr (kConfig.output == Output::kFp32) {
      for (int i = 0; i < 2; ++i)
        for (int j = 0; has_row[i] && j < 2; ++j)
          store_element(params, of_row[i][j], row + 8 * i, col + 8 * group + j);
    } else {
      uint32_t pair[2];
      for (int i = 0; i < 2; ++i) pair[i] = ptx::pack_bf16(of_row[i][0], of_row[i][1]);
      const int left = cols - 8 * group;
      for (int i = 0; i < 2; ++i)
        if (has_row[i] && left >= 2)
          ptx::store_global(reinterpret_cast<uint32_t*>(d[i] + 16 * group), pair[i]);
      if (left != 1) return;
      for (int i = 0; i < 2; ++i)
        if (has_row[i])
          ptx::store_global(reinterpret_cast<uint16_t*>(d[i] + 16 * group),
                            static_cast<uint16_t>(pair[i]));
    }
  }
};

}  // namespace fathom::device::gemm
