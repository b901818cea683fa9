// One element of a strided view as a number: for code that wants plain lines rather than speed.
// Support layer.
#pragma once

#include <cstdint>

#include <fathom/error.hpp>
#include <fathom/tensor.hpp>

#include "support/fp8.hpp"
#include "support/half.hpp"

namespace fathom::support {

/// Element `i` (in elements from the base) of a floating-point view.
inline float load_float(const TensorView& view, std::int64_t i) {
  switch (view.dtype) {
    case DType::kE4M3:
      return e4m3_to_float(static_cast<const std::uint8_t*>(view.data)[i]);
    case DType::kBf16:
      return bf16_to_float(static_cast<const std::uint16_t*>(view.data)[i]);
    case DType::kFp16:
      return fp16_to_float(static_cast<const std::uint16_t*>(view.data)[i]);
    case DType::kFp32:
      return static_cast<const float*>(view.data)[i];
    default:
      throw Error(ErrorCode::kInternal,
                  "load_float: the view holds no floating-point type that fits FP32");
  }
}

/// Element `i` of an int32 or int64 view.
inline std::int64_t load_integer(const TensorView& view, std::int64_t i) {
  if (view.dtype == DType::kInt64) return static_cast<const std::int64_t*>(view.data)[i];
  return static_cast<const std::int32_t*>(view.data)[i];
}

}  // namespace fathom::support
