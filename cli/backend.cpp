// Chooses the backend of a command. Command-line layer.
#include "backend.hpp"

#include <fmt/format.h>

#include <fathom/error.hpp>
#include <utility>

#include "api/environment.hpp"
#include "cuda/device.hpp"
#include "cuda/driver.hpp"
#include "emulator.hpp"

namespace fathom::cli {
namespace {

Backend named_backend(const std::string& name) {
  for (const Backend backend : {Backend::kCpu, Backend::kCuda, Backend::kReference}) {
    if (name == to_string(backend)) return backend;
  }
  return Backend::kAuto;
}

const cuda::Device& first_device(const Context& context) {
  const cuda::Driver& driver = cuda::Driver::load(context.options().libcuda);
  if (driver.device_count() == 0) {
    throw Error(ErrorCode::kNoDevice,
                fmt::format("the CUDA driver {} finds no device; a Hopper GPU is needed: leave "
                            "--backend out, and the cpu computes",
                            driver.path()));
  }
  return driver.device(0);
}

Context with_log(ContextOptions options) {
  if (api::environment_value("FATHOM_LOG").empty()) {
    options.log_level = LogLevel::kWarning;
    options.log = [](LogLevel level, std::string_view message) {
      fmt::print(stderr, "fathom: {}: {}\n", to_string(level), message);
    };
  }
  return Context(options);
}

}  // namespace

Context make_context() {
  return with_log(ContextOptions::from_env());
}

Context make_context(const CommonFlags& flags) {
  ContextOptions options = ContextOptions::from_env();
  if (uses_emulator(flags) && options.libcuda.empty()) options.libcuda = emulator_library();
  return with_log(std::move(options));
}

const cuda::Device* hopper_device(const Context& context) {
  try {
    const cuda::Device& device = first_device(context);
    device.require_hopper();
    return &device;
  } catch (const Error&) {
    return nullptr;  // no driver, no device, or another one: the cpu computes
  }
}

Backend chosen_backend(const CommonFlags& flags, const Context& context) {
  if (uses_emulator(flags)) {
    if (context.options().libcuda.empty()) {
      throw Error(
          ErrorCode::kInvalidArgument,
          "--backend emulator: this verb does not launch kernels itself; plan, run and verify "
          "can use the emulator; leave --backend out, or name a driver in FATHOM_LIBCUDA");
    }
    if (first_device(context).info().own_kernels.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("--backend emulator: the CUDA driver is {}, which is no emulator; "
                              "plan, run and verify can use one; unset FATHOM_LIBCUDA",
                              first_device(context).driver().path()));
    }
    return Backend::kCuda;
  }
  const Backend named = named_backend(flags.backend);
  if (named == Backend::kCuda) first_device(context).require_hopper();
  return named;
}

Backend quantize_backend(Backend chosen) {
  return chosen == Backend::kReference ? Backend::kReference : Backend::kCpu;
}

}  // namespace fathom::cli
