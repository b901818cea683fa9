// The specification of quantize and dequantize in plain loops. Oracle of the tests; the arithmetic
// is the contract of include/fathom/quantize.hpp, bit for bit.
#pragma once

#include <fathom/quantize.hpp>

namespace fathom::reference {

/// Views as the public call takes them, already checked.
void quantize(const TensorView& x, const TensorView& q, const TensorView& scale, ScaleBlock block,
              bool power_of_two_scales);
void dequantize(const TensorView& q, const TensorView& scale, const TensorView& x,
                ScaleBlock block);

/// fp32 elements of `from` to the same places of `to`, whatever the strides. The CPU backend's too:
/// a plain loop is enough for 1/128 of the data.
void copy_scales(const TensorView& from, const TensorView& to);

/// The scale of a block whose largest finite or infinite magnitude is `amax`.
float block_scale(float amax, bool power_of_two);

}  // namespace fathom::reference
