// The one place where errors become exit codes. Command-line layer.
#pragma once

#include <fathom/error.hpp>

namespace fathom::cli {

enum ExitCode : int {
  kOk = 0,
  kCheckFailed = 1,
  kBadInput = 2,  ///< usage, or input that breaks its rules
  kUnsupported = 3,
  kNoDevice = 4,     ///< no device or no compiler
  kFileTrouble = 5,  ///< missing, unwritable, or does not fit
  kFailure = 6,      ///< driver or internal failure
  // 130, interrupted, is the signal handler's (interrupt.hpp).
};

constexpr ExitCode exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kBadInput;
    case ErrorCode::kUnsupported:
      return kUnsupported;
    case ErrorCode::kNoDevice:
    case ErrorCode::kCompileFailed:
      return kNoDevice;
    case ErrorCode::kIo:
    case ErrorCode::kCache:
      return kFileTrouble;
    case ErrorCode::kDriver:
    case ErrorCode::kInternal:
      return kFailure;
  }
  return kFailure;
}

}  // namespace fathom::cli
