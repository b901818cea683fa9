// Elements of D that leave a thread by plain stores: sums of split k, and the ragged columns that
// TMA cannot clip. Device layer of the gemm family; must not include another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "ptx/memory.cuh"

namespace fathom::device::gemm {

/// d[row, col] = v or += v, when the column exists. fp32.
FATHOM_DEVICE void store_element(const Params& params, float v, int row, int col) {
  if (col >= params.n) return;
  float* d = static_cast<float*>(params.d_data) + (row * params.d_pitch + col);
  ptx::store_global(d, params.accumulate != 0 ? ptx::load_global(d) + v : v);
}

/// d[row, col] and the element right of it, as far as the columns exist; col is even.
template <Config kConfig>
FATHOM_DEVICE void store_pair(const Params& params, float x, float y, int row, int col) {
  if constexpr (kConfig.output == Output::kFp32) {
    store_element(params, x, row, col);
    store_element(params, y, row, col + 1);
  } else {
    const uint32_t pair = ptx::pack_bf16(x, y);
    uint16_t* d = static_cast<uint16_t*>(params.d_data) + (row * params.d_pitch + col);
    if (col + 1 < params.n)
      ptx::store_global(reinterpret_cast<uint32_t*>(d), pair);
    else if (col < params.n)
      ptx::store_global(d, static_cast<uint16_t>(pair));
  }
}

}  // namespace fathom::device::gemm
