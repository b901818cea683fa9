// Zeros for the rows of D that belong to nobody (Params::zero_padding, kRowGroup). Device layer of
// the gemm family; must not include another family.
#pragma once

#include "gemm/groups.hpp"
#include "gemm/params.hpp"
#include "ptx/global.cuh"
#include "ptx/thread.cuh"

namespace fathom::device::gemm {

/// One warp of every CTA, beside the product: blocks are dealt to the CTAs, and no tile stores to
/// these rows. D is bf16.
FATHOM_DEVICE void zero_padding_rows(const Params& params) {
  const GroupIndex& index = params.groups;
  const auto* ids = static_cast<const int32_t*>(index.data);
  const auto read = [ids](int32_t row) { return ptx::load_global_s32(ids + row); };
  auto* d = static_cast<uint16_t*>(params.d_data);
#pragma unroll 1
  for (int32_t block = ptx::cta_index(); block < index.num_entries(); block += ptx::num_ctas()) {
    const int32_t end = min_of((block + 1) * index.alignment, index.rows);
#pragma unroll 1
    for (int32_t row = owned_block(index, block, read).row_end; row < end; ++row) {
      uint16_t* of_row = d + row * params.d_pitch;
#pragma unroll 1
      for (int32_t col = ptx::lane_index() * 8; col < params.d_tma_cols; col += 32 * 8)
        ptx::store_global_v4(of_row + col, {0, 0, 0, 0});
      const int32_t ragged = params.d_tma_cols + ptx::lane_index();
      if (ragged < params.n) ptx::store_global_u16(of_row + ragged, 0);
    }
  }
}

}  // namespace fathom::device::gemm
