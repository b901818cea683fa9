// compile: kernels of the closed set, ahead of the first call. Front end.
#include "api/compile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fathom/compile.hpp>

#include "api/cuda_runtime.hpp"

namespace fathom {
namespace api {

std::vector<std::shared_ptr<const jit::Kernel>> build_kernels(
    jit::Builder& builder, std::span<const plan::KernelText> kernels, int threads,
    const std::function<void()>& done) {
  std::vector<std::shared_ptr<const jit::Kernel>> built(kernels.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // done and failure
  std::exception_ptr failure;
  // Threads suffice: NVRTC compiles in parallel within a process (docs/jit_cache.md).
  const auto work = [&] {
    for (std::size_t i = next++; i < kernels.size(); i = next++) {
      try {
        built[i] = builder.build(kernels[i].name, kernels[i].source);
        const std::lock_guard lock(mutex);
        done();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = kernels.size();
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return built;
}

int driver_major(const Context& context) {
  try {
    return cuda::Driver::load(context.options().libcuda).version() / 1000;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoDevice) return 0;
    throw;
  }
}

}  // namespace api

namespace {

std::vector<plan::KernelText> kernels_of(const std::vector<std::string>& configs) {
  std::vector<plan::KernelText> kernels;
  for (const std::string& config : configs) {
    std::optional<plan::KernelText> kernel = plan::find_kernel(config);
    if (!kernel)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("compile: there is no config \"{}\"; all_configs() and `fathom "
                              "compile --list` name all",
                              config));
    kernels.push_back(std::move(*kernel));
  }
  return kernels;
}

CompiledKernel describe(const std::string& config, const jit::Kernel& kernel) {
  return {config,
          kernel.name,
          static_cast<std::int64_t>(kernel.image.size()),
          kernel.use.registers,
          kernel.use.spill_bytes,
          kernel.milliseconds,
          kernel.origin != jit::Origin::kCompiled,
          kernel.on_disk};
}

}  // namespace

std::vector<std::string> all_configs() {
  std::vector<std::string> tags;
  for (plan::KernelText& kernel : plan::all_kernels()) tags.push_back(std::move(kernel.tag));
  return tags;
}

std::vector<CompiledKernel> compile(const Context& context, const std::vector<std::string>& configs,
                                    const CompileOptions& options) {
  if (options.jobs < 0)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("compile: jobs is {}; it needs 0 or more; 0 takes one a thread of the "
                            "context",
                            options.jobs));
  const std::vector<plan::KernelText> kernels = kernels_of(configs);
  const auto total = static_cast<std::int64_t>(kernels.size());
  const std::int64_t jobs = options.jobs > 0 ? options.jobs : context.options().num_threads;
  const int driver = api::driver_major(context);
  std::optional<jit::Builder> without_driver;
  jit::Builder& builder = driver != 0
                              ? api::cuda_runtime(context).builder
                              : without_driver.emplace(api::builder_options(context, driver),
                                                       embedded::device_sources());
  std::int64_t done = 0;
  const auto built =
      api::build_kernels(builder, kernels, static_cast<int>(std::min(jobs, total)), [&] {
        ++done;
        if (options.progress) options.progress(done, total);
      });
  std::vector<CompiledKernel> result;
  for (std::size_t i = 0; i < built.size(); ++i) result.push_back(describe(configs[i], *built[i]));
  return result;
}

}  // namespace fathom
