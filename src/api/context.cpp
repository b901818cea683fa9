// Context: options with their defaults filled in, and the serialised log. Front end; starts
// nothing, opens nothing.
#include <fathom/context.hpp>

#include <cstdio>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "api/context_impl.hpp"
#include "api/environment.hpp"
#include "cpu/parallel.hpp"

namespace fathom {
namespace {

ContextOptions with_defaults(ContextOptions options) {
  if (options.num_threads < 0) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("Context: num_threads is {}; it needs 0 or more; 0 uses every core that this "
                    "process may use",
                    options.num_threads));
  }
  constexpr std::int64_t kMaxLimitMib = std::int64_t{1} << 40;  // 2^60 bytes: no overflow in bytes
  if (options.cache_limit_mib < 0 || options.cache_limit_mib > kMaxLimitMib) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Context: cache_limit_mib is {}; it needs 0 to 2^40; 0 sets no limit",
                            options.cache_limit_mib));
  }
  if (options.num_threads == 0) options.num_threads = cpu::usable_cores();
  if (options.cache_dir.empty()) options.cache_dir = api::default_cache_dir();
  return options;
}

}  // namespace

std::string_view to_string(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kCpu:
      return "cpu";
    case Backend::kCuda:
      return "cuda";
    case Backend::kReference:
      return "reference";
  }
  return "unknown";
}

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kOff:
      return "off";
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "unknown";
}

Context::Impl::Impl(ContextOptions given) : options(with_defaults(std::move(given))) {}

void Context::Impl::log(LogLevel level, std::string_view message) noexcept {
  if (!logs(level)) return;
  try {
    const std::lock_guard<std::recursive_mutex> lock(log_mutex_);
    options.log(level, message);
  } catch (...) {
    // A log that fails must not fail the operation that it tells about.
  }
}

Context::Context(ContextOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

Context Context::from_env() {
  return Context(ContextOptions::from_env());
}

const ContextOptions& Context::options() const {
  return impl_->options;
}

}  // namespace fathom
