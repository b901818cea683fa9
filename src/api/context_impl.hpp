// What a Context holds: its options, its log, and the state that backends make at their first use.
// Front end.
#pragma once

#include <fathom/context.hpp>

#include <mutex>
#include <string_view>

#include "api/lazy.hpp"

namespace fathom::cpu {
class Blas;
}
namespace fathom::api {
struct CudaRuntime;
}

namespace fathom {

struct Context::Impl {
  explicit Impl(ContextOptions given);

  /// Passes the message to the user's callback when the level asks for it. Never throws.
  void log(LogLevel level, std::string_view message) noexcept;
  /// Whether log() would pass a message of this level on: ask before formatting an expensive one.
  bool logs(LogLevel level) const {
    return options.log && level != LogLevel::kOff && level <= options.log_level;
  }

  const ContextOptions options;

  api::Lazy<cpu::Blas> blas;
  api::Lazy<api::CudaRuntime> cuda;

 private:
  // Recursive, so that a callback may call into the context that it logs for.
  std::recursive_mutex log_mutex_;
};

}  // namespace fathom
