// quantize and dequantize on this machine's cores; the bits are those of reference/quantize.hpp.
// CPU backend.
#pragma once

#include <fathom/quantize.hpp>

namespace fathom::cpu {

/// Views as the public call takes them, already checked: x and q with contiguous rows.
void quantize(const TensorView& x, const TensorView& q, const TensorView& scale, ScaleBlock block,
              bool power_of_two_scales, int threads);
void dequantize(const TensorView& q, const TensorView& scale, const TensorView& x, ScaleBlock block,
                int threads);

}  // namespace fathom::cpu
