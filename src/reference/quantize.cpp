// quantize and dequantize in plain loops: the specification that people read and the oracle of the
// tests.
#include "reference/quantize.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "support/tensor_access.hpp"

namespace fathom::reference {
namespace {

/// k1x128Transposed is k1x128 of x^T: from here on only [rows, cols] of q count.
TensorView as_q_lies(const TensorView& x, ScaleBlock block) {
  TensorView view = x;
  if (block == ScaleBlock::k1x128Transposed) {
    std::swap(view.shape[0], view.shape[1]);
    std::swap(view.stride[0], view.stride[1]);
  }
  return view;
}

std::int64_t at(const TensorView& view, std::int64_t row, std::int64_t col) {
  return row * view.stride[0] + col * view.stride[1];
}

/// Calls visit(row0, row1, col0, col1, index of the scale) for each block of q.
template <typename Visit>
void for_each_block(const TensorView& q, const TensorView& scale, ScaleBlock block, Visit visit) {
  const std::int64_t block_rows = block == ScaleBlock::k128x128 ? 128 : 1;
  for (std::int64_t row = 0; row < q.shape[0]; row += block_rows) {
    for (std::int64_t col = 0; col < q.shape[1]; col += 128) {
      visit(row, std::min(row + block_rows, q.shape[0]), col, std::min(col + 128, q.shape[1]),
            at(scale, row / block_rows, col / 128));
    }
  }
}

}  // namespace

float block_scale(float amax, bool power_of_two) {
  const float scale = std::max(amax, 1e-4f) / support::kE4m3Max;
  if (!power_of_two) return scale;
  // The scale is positive and normal: adding the whole mantissa carries into the exponent unless
  // the mantissa is 0.
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(scale) + 0x7fffffu) & 0xff800000u);
}

void quantize(const TensorView& input, const TensorView& q, const TensorView& scale,
              ScaleBlock block, bool power_of_two_scales) {
  const TensorView x = as_q_lies(input, block);
  for_each_block(
      q, scale, block, [&](auto row0, auto row1, auto col0, auto col1, std::int64_t scale_index) {
        float amax = 0.0f;
        for (std::int64_t row = row0; row < row1; ++row) {
          for (std::int64_t col = col0; col < col1; ++col) {
            const float magnitude = std::abs(support::load_float(x, at(x, row, col)));
            if (magnitude > amax) amax = magnitude;  // false for NaN
          }
        }
        const float s = block_scale(amax, power_of_two_scales);
        static_cast<float*>(scale.data)[scale_index] = s;
        for (std::int64_t row = row0; row < row1; ++row) {
          for (std::int64_t col = col0; col < col1; ++col) {
            const float quotient = support::load_float(x, at(x, row, col)) / s;
            const std::uint8_t code =
                std::isnan(quotient) ? support::kE4m3Nan : support::e4m3_from_float(quotient);
            static_cast<std::uint8_t*>(q.data)[at(q, row, col)] = code;
          }
        }
      });
}

void dequantize(const TensorView& q, const TensorView& scale, const TensorView& output,
                ScaleBlock block) {
  const TensorView x = as_q_lies(output, block);
  for_each_block(q, scale, block,
                 [&](auto row0, auto row1, auto col0, auto col1, std::int64_t scale_index) {
                   const float s = support::load_float(scale, scale_index);
                   for (std::int64_t row = row0; row < row1; ++row) {
                     for (std::int64_t col = col0; col < col1; ++col) {
                       const float value = support::load_float(q, at(q, row, col)) * s;
                       const std::int64_t i = at(x, row, col);
                       if (x.dtype == DType::kBf16) {
                         static_cast<std::uint16_t*>(x.data)[i] = support::bf16_from_float(value);
                       } else {
                         static_cast<float*>(x.data)[i] = value;
                       }
                     }
                   }
                 });
}

void copy_scales(const TensorView& from, const TensorView& to) {
  const bool planes = from.rank == 3;
  const auto row = static_cast<std::size_t>(from.rank - 2), col = row + 1;
  const auto at = [&](const TensorView& view, std::int64_t g, std::int64_t r, std::int64_t c) {
    return (planes ? g * view.stride[0] : 0) + r * view.stride[row] + c * view.stride[col];
  };
  for (std::int64_t g = 0; g < (planes ? from.shape[0] : 1); ++g) {
    for (std::int64_t r = 0; r < from.shape[row]; ++r) {
      for (std::int64_t c = 0; c < from.shape[col]; ++c)
        static_cast<float*>(to.data)[at(to, g, r, c)] =
            static_cast<const float*>(from.data)[at(from, g, r, c)];
    }
  }
}

}  // namespace fathom::reference
