// Element types of tensors. Public layer; plain C++20.
#pragma once

#include <cstdint>
#include <string_view>

#include <fathom/export.h>

namespace fathom {

/// The values are part of the C ABI (c_api.h): never renumber.
enum class DType : std::int32_t {
  kE4M3 = 1,  ///< FP8: 4 exponent and 3 mantissa bits, no infinity, NaN = S.1111.111, max 448
  kBf16 = 2,
  kFp16 = 3,
  kFp32 = 4,
  kFp64 = 5,
  kInt32 = 6,
  kInt64 = 7,
};

/// Bytes of one element.
constexpr std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kE4M3:
      return 1;
    case DType::kBf16:
    case DType::kFp16:
      return 2;
    case DType::kFp32:
    case DType::kInt32:
      return 4;
    case DType::kFp64:
    case DType::kInt64:
      return 8;
  }
  return 0;
}

/// "e4m3", "bf16", "fp16", "fp32", "fp64", "int32", "int64"; "unknown" for any other value.
FATHOM_API std::string_view to_string(DType dtype);

}  // namespace fathom
