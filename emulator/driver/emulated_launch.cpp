// Makes the recording driver a driver that runs its kernels: each launch goes into the emulator,
// over the memory that cuMemAlloc gave. Emulator layer, driver; part of libcuda_emulator.so alone.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "emulator/driver/emulator_control.h"
#include "emulator/driver/kernels.hpp"
#include "emulator/driver/recorder.hpp"

namespace fathom::emulator {
namespace {

// Few, so that small problems give a CTA several tiles; a cluster of eight must fit.
constexpr std::int64_t kMultiprocessors = 8;

/// A whole number from the environment, `otherwise` where there is none; what else stands there
/// goes into `wrong`.
std::uint64_t number_from(const char* variable, std::uint64_t otherwise, std::string& wrong) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return otherwise;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error == std::errc() && stop == end) return value;
  wrong = fmt::format("{} is \"{}\"; it needs to be a whole number: mend it, or unset it\n",
                      variable, text);
  return otherwise;
}

/// What the control functions see; one lock guards all.
struct Control {
  std::mutex mutex;
  std::string wrong_setting;
  std::uint64_t seed = number_from("FATHOM_EMULATOR_SEED", 1, wrong_setting);
  int num_threads = static_cast<int>(number_from("FATHOM_EMULATOR_THREADS", 0, wrong_setting));
  std::uint64_t trace_hash = 0;
  std::string report;
  std::string text;  ///< what the last fathom_emulator_report returned
};

Control& control() {
  static Control instance;
  return instance;
}

std::vector<BuiltInKernel>& mutable_kernels() {
  static std::vector<BuiltInKernel> kernels;
  return kernels;
}

Memory allocated_memory() {
  recording_cuda::State& s = recording_cuda::state();
  const std::lock_guard lock(s.mutex);
  Memory memory;
  for (const auto& [base, allocation] : s.memory) {
    memory.allow(fmt::format("the {} bytes allocated at {:#x}", allocation.bytes, base),
                 reinterpret_cast<const void*>(base), allocation.bytes, Access::kReadWrite);
  }
  return memory;
}

int as_int(unsigned value) {
  return static_cast<int>(value);
}

int launch(const RecordingCudaLaunch* launched, void*) {
  const BuiltInKernel* kernel = find_kernel(launched->function);
  if (kernel == nullptr || launched->params == nullptr) return recording_cuda::abi::kErrorNotFound;
  Options options;
  {
    const std::lock_guard lock(control().mutex);
    if (!control().wrong_setting.empty()) {
      recording_cuda_set_failure(control().wrong_setting.c_str());
      return recording_cuda::abi::kErrorLaunchFailed;
    }
    options.seed = control().seed++;
    options.num_threads = control().num_threads;
  }
  options.params_by_value = true;
  if (kernel->describe != nullptr) kernel->describe(options);
  const Report report = run(kernel->entry,
                            {.grid = as_int(launched->grid[0]),
                             .cluster = as_int(launched->cluster[0]),
                             .threads = as_int(launched->block[0]),
                             .shared_bytes = as_int(launched->shared_bytes),
                             .registers = kernel->registers,
                             .programmatic = launched->programmatic != 0},
                            launched->params, kernel->param_bytes, allocated_memory(), options);
  const std::lock_guard lock(control().mutex);
  control().trace_hash = control().trace_hash * 0x9e3779b97f4a7c15 + report.trace_hash;
  if (report.clean()) return recording_cuda::abi::kSuccess;
  control().report += fmt::format("{}:\n{}", kernel->name, report.text());
  recording_cuda_set_failure(control().report.c_str());
  return recording_cuda::abi::kErrorLaunchFailed;
}

/// Before the library is used: what its device is and where launches go.
const bool kReady = [] {
  recording_cuda_set_name("Fathom emulator (H200)");
  recording_cuda_set("sms", kMultiprocessors);
  recording_cuda_set_hook(launch, nullptr);
  return true;
}();

}  // namespace

const std::vector<BuiltInKernel>& built_in_kernels() {
  return mutable_kernels();
}

const BuiltInKernel* find_kernel(const std::string& name) {
  for (const BuiltInKernel& kernel : built_in_kernels())
    if (kernel.name == name) return &kernel;
  return nullptr;
}

RegisterKernel::RegisterKernel(BuiltInKernel kernel) {
  recording_cuda::state().param_bytes[kernel.name] = static_cast<std::int64_t>(kernel.param_bytes);
  std::vector<BuiltInKernel>& kernels = mutable_kernels();
  const auto after = std::find_if(kernels.begin(), kernels.end(), [&](const BuiltInKernel& other) {
    return other.name > kernel.name;
  });
  kernels.insert(after, std::move(kernel));
}

}  // namespace fathom::emulator

using fathom::emulator::control;

RECORDING_CUDA_EXPORT const char* fathom_driver_kernels(void) {
  static const std::string names = [] {
    std::string all;
    for (const auto& kernel : fathom::emulator::built_in_kernels()) all += kernel.name + '\n';
    return all;
  }();
  return names.c_str();
}

RECORDING_CUDA_EXPORT void fathom_emulator_set_seed(uint64_t seed) {
  const std::lock_guard lock(control().mutex);
  control().seed = seed;
  control().trace_hash = 0;
  control().report.clear();
}

RECORDING_CUDA_EXPORT uint64_t fathom_emulator_trace_hash(void) {
  const std::lock_guard lock(control().mutex);
  return control().trace_hash;
}

RECORDING_CUDA_EXPORT const char* fathom_emulator_report(void) {
  const std::lock_guard lock(control().mutex);
  control().text = control().report;
  return control().text.c_str();
}
