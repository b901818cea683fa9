// Spelling of error codes. Front end.
#include <fathom/error.hpp>

namespace fathom {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCompileFailed:
      return "compile_failed";
    case ErrorCode::kDriver:
      return "driver";
    case ErrorCode::kCache:
      return "cache";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kNoDevice:
      return "no_device";
  }
  return "unknown";
}

}  // namespace fathom
