// Loads cubins through the driver's context-independent libraries. Runtime layer.
#include "cuda/library.hpp"

#include <fmt/format.h>

#include "cuda/device.hpp"
#include "cuda/nvtx.hpp"

namespace fathom::cuda {

void Library::load_once(const std::function<std::string()>& image) {
  std::lock_guard lock(mutex_);
  if (handle_ != nullptr) return;
  const std::string bytes = image();
  const CaptureModeGuard capture(driver_);
  driver_.check(driver_.api().library_load_data(&handle_, bytes.data(), nullptr, nullptr, 0,
                                                nullptr, nullptr, 0),
                "cuLibraryLoadData",
                fmt::format("loading the kernel binary {} ({} bytes)", key_, bytes.size()));
}

Function Library::function(const Device& device, const std::string& name, int shared_bytes) const {
  std::lock_guard lock(mutex_);
  const std::pair key(device.info().ordinal, name);
  const auto found = functions_.find(key);
  if (found != functions_.end() && found->second.dynamic_shared_bytes >= shared_bytes)
    return found->second;
  return functions_[key] = load_function(device, name, shared_bytes);
}

Function Library::load_function(const Device& device, const std::string& name,
                                int shared_bytes) const {
  const abi::Api& api = driver_.api();
  const std::string doing =
      fmt::format("loading kernel {} on CUDA device {} with {} bytes of shared memory", name,
                  device.info().ordinal, shared_bytes);
  const ContextGuard guard(device);
  const CaptureModeGuard capture(driver_);
  abi::Kernel kernel = nullptr;
  driver_.check(api.library_get_kernel(&kernel, handle_, name.c_str()), "cuLibraryGetKernel",
                doing);
  Function function;
  function.device = &device;
  function.name = name;
  function.dynamic_shared_bytes = shared_bytes;
  driver_.check(api.kernel_get_function(&function.handle, kernel), "cuKernelGetFunction", doing);
  find_profiler();
  // Lazy loading would put the upload into the first launch, which may be inside a graph capture.
  if (api.func_load != nullptr) driver_.check(api.func_load(function.handle), "cuFuncLoad", doing);
  const auto attribute = [&](abi::FunctionAttribute which) {
    int value = 0;
    driver_.check(api.func_get_attribute(&value, which, function.handle), "cuFuncGetAttribute",
                  doing);
    return value;
  };
  function.num_registers = attribute(abi::FunctionAttribute::kNumRegisters);
  function.local_bytes = attribute(abi::FunctionAttribute::kLocalBytes);
  function.static_shared_bytes = attribute(abi::FunctionAttribute::kStaticSharedBytes);
  function.max_threads = attribute(abi::FunctionAttribute::kMaxThreadsPerBlock);
  driver_.check(api.func_set_attribute(
                    function.handle, abi::FunctionAttribute::kMaxDynamicSharedBytes, shared_bytes),
                "cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)", doing);
  return function;
}

}  // namespace fathom::cuda
