// The driver and the kernel builder of a context. Front end.
#include "api/cuda_runtime.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "api/context_impl.hpp"
#include "api/environment.hpp"
#include "cuda/device.hpp"
#include "cuda/library.hpp"

namespace fathom::api {
namespace {

/// "/a:/b" -> /a, /b
std::vector<std::filesystem::path> split_paths(std::string_view text) {
  std::vector<std::filesystem::path> paths;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    if (end > 0) paths.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
}

/// A kernel of a driver that brings its own: its name stands for its image.
cuda::Function load_own_kernel(const cuda::Driver& driver, const cuda::Device& device,
                               const std::string& name, int shared_bytes) {
  const std::vector<std::string>& kernels = driver.own_kernels();
  if (std::find(kernels.begin(), kernels.end(), name) == kernels.end()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("loading kernel {}: the driver {} runs {} kernels that are built into "
                            "it, and this is none of them; use another config or type, or add it "
                            "to emulator/kernels and build again",
                            name, driver.path(), kernels.size()));
  }
  return driver.library(name, [&name] { return name; }).function(device, name, shared_bytes);
}

}  // namespace

jit::BuilderOptions builder_options(const Context& context, int driver_major) {
  const ContextOptions& options = context.options();
  jit::BuilderOptions builder;
  builder.compiler.read_environment(environment_value);
  builder.compiler.nvrtc = options.nvrtc;
  if (!options.compiler.empty()) builder.compiler.compiler = options.compiler;
  builder.compiler.site_packages = split_paths(options.site_packages);
  builder.driver_major = driver_major;
  builder.cache_directory = options.cache_dir;
  builder.system_cache_directory = options.system_cache_dir;
  builder.cache_limit_bytes = options.cache_limit_mib << 20;
  if (options.line_info) builder.options.emplace_back("-lineinfo");
  Context::Impl& impl = context.impl();
  builder.warn = [&impl](std::string_view message) { impl.log(LogLevel::kWarning, message); };
  return builder;
}

CudaRuntime& cuda_runtime(const Context& context) {
  return context.impl().cuda.get([&] {
    const cuda::Driver& driver = cuda::Driver::load(context.options().libcuda);
    return std::shared_ptr<CudaRuntime>(
        new CudaRuntime{driver, jit::Builder(builder_options(context, driver.version() / 1000),
                                             embedded::device_sources())});
  });
}

cuda::Function load_kernel(const Context& context, const cuda::Device& device,
                           const std::string& name, const std::function<std::string()>& source,
                           int shared_bytes) {
  CudaRuntime& runtime = cuda_runtime(context);
  const std::pair place(device.info().ordinal, name);
  {
    const std::lock_guard lock(runtime.loaded_mutex);
    const auto known = runtime.loaded.find(place);
    if (known != runtime.loaded.end() && known->second.dynamic_shared_bytes >= shared_bytes)
      return known->second;
  }
  if (!runtime.driver.own_kernels().empty()) {
    return load_own_kernel(runtime.driver, device, name, shared_bytes);
  }
  // By content: another context may compile the same name with other options.
  const std::shared_ptr<const jit::Kernel> kernel = runtime.builder.build(name, source());
  bool is_new = false;
  const auto image = [&] {
    is_new = true;
    return kernel->image;
  };
  cuda::Function function = runtime.driver.library(fmt::format("{} ({})", name, kernel->key), image)
                                .function(device, name, shared_bytes);
  {
    const std::lock_guard lock(runtime.loaded_mutex);
    runtime.loaded[place] = function;
  }
  // Under no lock: the log may ask for this kernel.
  if (is_new) {
    context.impl().log(
        LogLevel::kInfo,
        fmt::format("{} {} in {:.0f} ms: {} bytes, {} registers, {} bytes spilled", name,
                    kernel->origin == jit::Origin::kCompiled ? "compiled" : "read from the cache",
                    kernel->milliseconds, kernel->image.size(), kernel->use.registers,
                    kernel->use.spill_bytes));
  }
  return function;
}

}  // namespace fathom::api
