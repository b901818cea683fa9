// The one exception type of the public interface. Public layer; plain C++20.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <fathom/export.h>

namespace fathom {

/// Why an operation could not be done. The values are part of the C ABI (c_api.h): never renumber.
enum class ErrorCode : int {
  kInvalidArgument = 1,  ///< shapes, types, strides, alignment, metadata: the caller can mend it
  kUnsupported = 2,      ///< legal, but not on this device or build; the message carries the reason
  kCompileFailed = 3,    ///< the run-time compiler refused the source or was not found
  kDriver = 4,           ///< a CUDA driver call failed
  kCache = 5,            ///< the kernel cache could not be used and nothing else would do
  kIo = 6,               ///< a file is missing, unwritable or full
  kInternal = 7,         ///< a defect of this library: please report the message
  kNoDevice =
      8,  ///< no CUDA driver or no CUDA device on this machine (the command line exits with 4)
};

/// "invalid_argument", "unsupported", ...: the spelling used in JSON and in logs.
FATHOM_API std::string_view to_string(ErrorCode code);

/// Thrown by every function of the C++ interface that can fail. The message has four parts: what
/// was being done, what was got, what is needed, what to try.
class FATHOM_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace fathom
