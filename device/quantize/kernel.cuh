// The cast kernels (contract: include/fathom/quantize.hpp). What the JIT's generated source
// includes. Device layer of the quantize family; must not include another family.
//
// Memory-bound: each element is read once and written once, a CTA per tile, no loop over tiles.
#pragma once

#include "ptx/grid.cuh"
#include "quantize/casts.cuh"
#include "quantize/copies.cuh"

namespace fathom::device::quantize {

template <Config kConfig>
struct Kernel {
  static_assert(why_illegal(kConfig) == nullptr);

  FATHOM_DEVICE static void run(const Params& params, unsigned char* dynamic_smem) {
    const SmemAddr smem = ptx::smem_address(dynamic_smem);
    const int cta = ptx::cta_index();
    ptx::wait_for_previous_grid();
    ptx::launch_next_grid();
    if constexpr (kConfig.operation == Operation::kCast1x128)
      cast_1x128<kConfig>(params, cta);
    else if constexpr (kConfig.operation == Operation::kCast128x128)
      cast_128x128<kConfig>(params, cta, smem);
    else if constexpr (kConfig.operation == Operation::kCast1x128Transposed)
      cast_1x128_transposed<kConfig>(params, cta, smem);
    else if constexpr (kConfig.operation == Operation::kDequantize)
      dequantize<kConfig>(params, cta);
    else
      copy_scales<kConfig>(params, cta, smem);
  }
};

}  // namespace fathom::device::quantize
