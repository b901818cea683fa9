// Spelling of element types. Front end.
#include <fathom/dtype.hpp>

namespace fathom {

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::kE4M3:
      return "e4m3";
    case DType::kBf16:
      return "bf16";
    case DType::kFp16:
      return "fp16";
    case DType::kFp32:
      return "fp32";
    case DType::kFp64:
      return "fp64";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
  }
  return "unknown";
}

}  // namespace fathom
