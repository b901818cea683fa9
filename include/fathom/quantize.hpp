// Casts to FP8 with fine-grained scales. Public layer; plain C++20.
//
// scale = max(amax, 1e-4) / 448 over each block, optionally rounded up to a power of two; q = x /
// scale, both IEEE FP32 divisions, round to nearest even, saturating: the same bits on every
// backend. Zero blocks get scale 1e-4 / 448 and zeros. A NaN element is ignored by
// amax; every NaN quotient gives the code 0x7f, whatever its sign; a block that holds an infinity
// gets an infinite scale, its finite elements become zero (x / inf) and its infinities NaN (inf /
// inf).
#pragma once

#include <fathom/export.h>
#include <fathom/context.hpp>
#include <fathom/tensor.hpp>

namespace fathom {

enum class ScaleBlock : std::int32_t {
  k1x128 = 1,    ///< one scale per row and 128 columns: scale [rows, ceil(cols / 128)]
  k128x128 = 2,  ///< one scale per 128 x 128 block: scale [ceil(rows / 128), ceil(cols / 128)]
  k1x128Transposed =
      3,  ///< the 1x128 cast of the transpose: q [cols, rows], scale [cols, ceil(rows / 128)]
};

struct QuantizeOptions {
  ScaleBlock block = ScaleBlock::k1x128;
  bool power_of_two_scales = false;  ///< round each scale up to a power of two
  Backend backend = Backend::kAuto;
};

/// x: bf16, fp16 or fp32 [rows, cols], any pitch, last dimension contiguous. q: e4m3, written.
/// scale: fp32 in either order, written; m contiguous with a pitch that is a multiple of 4 is what
/// gemm reads fastest. Throws Error.
FATHOM_API void quantize(const Context& context, const TensorView& x, const TensorView& q,
                         const TensorView& scale, const QuantizeOptions& options = {},
                         void* stream = nullptr);

/// x = q * scale in fp32; the inverse of quantize up to rounding. x: fp32 or bf16, written. The
/// shapes are quantize's.
FATHOM_API void dequantize(const Context& context, const TensorView& q, const TensorView& scale,
                           const TensorView& x, ScaleBlock block, Backend backend = Backend::kAuto,
                           void* stream = nullptr);

/// Scales [rows, blocks of 128], or [G, rows, blocks of 128], in another order: `to` has the shape
/// of `from` and strides of its own, and is written. With rows contiguous and a pitch that is a
/// multiple of 4, gemm fetches them by TMA.
FATHOM_API void copy_scales(const Context& context, const TensorView& from, const TensorView& to,
                            Backend backend = Backend::kAuto, void* stream = nullptr);

}  // namespace fathom
