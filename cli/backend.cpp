// Chooses the backend and runs a product on it. Command-line layer.
#include "backend.hpp"

#include <fmt/format.h>

#include <fathom/error.hpp>

namespace fathom::cli {
namespace {

Backend named_backend(const std::string& name) {
  for (const Backend backend : {Backend::kCpu, Backend::kCuda, Backend::kReference}) {
    if (name == to_string(backend)) return backend;
  }
  return Backend::kAuto;
}

}  // namespace

Context make_context() {
  ContextOptions options = ContextOptions::from_env();
  if (!options.log) {
    options.log_level = LogLevel::kWarning;
    options.log = [](LogLevel level, std::string_view message) {
      fmt::print(stderr, "fathom: {}: {}\n", to_string(level), message);
    };
  }
  return Context(options);
}

Backend chosen_backend(const CommonFlags& flags, const Context&) {
  return named_backend(flags.backend);
}

Backend quantize_backend(Backend chosen) {
  return chosen == Backend::kCuda ? Backend::kAuto : chosen;
}

GemmRun run_gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options) {
  const GemmPlan plan = plan_gemm(context, operands, options);
  plan.launch();
  return {plan.backend(), plan.config()};
}

}  // namespace fathom::cli
