// Loads libcuda and resolves its entry points. Runtime layer.
#include "cuda/driver.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <vector>

#include <fathom/error.hpp>

#include "cuda/device.hpp"
#include "cuda/library.hpp"
#include "cuda/symbols.hpp"
#include "support/once.hpp"

namespace fathom::cuda {
namespace {

// Tensor maps, libraries and launch attributes, all of which a Hopper kernel needs, are there
// from 12.0 on.
constexpr int kOldestDriver = 12000;

void* open_library(const std::string& path, std::string* resolved) {
  // The second place is where container runtimes mount the driver when the linker's cache does not
  // know it.
  const std::vector<std::string> places =
      path.empty()
          ? std::vector<std::string>{"libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"}
          : std::vector<std::string>{path};
  std::string tried;
  for (const std::string& place : places) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      *resolved = place;
      return handle;
    }
    const char* reason = dlerror();
    tried += fmt::format("{}{}", tried.empty() ? "" : "; ", reason ? reason : place.c_str());
  }
  throw Error(
      ErrorCode::kNoDevice,
      fmt::format("loading the CUDA driver library: not found (tried: {}); GPU tensors need an "
                  "installed NVIDIA driver; install it or name its libcuda.so.1 in FATHOM_LIBCUDA, "
                  "or use CPU tensors",
                  tried));
}

std::string hint(abi::Result result) {
  switch (result) {
    case abi::kErrorNotInitialized:
      return "; a process forked after CUDA was initialised cannot use it: start workers with "
             "spawn or exec";
    case abi::kErrorOutOfMemory:
      return "; free device memory or use smaller tensors";
    case abi::kErrorStubLibrary:
      return "; the toolkit's stub was loaded instead of the driver: remove stubs/ from "
             "LD_LIBRARY_PATH";
    case abi::kErrorNoBinaryForGpu:
      return "; the kernel was built for another architecture: fathom cache verify, then clear";
    case abi::kErrorSystemDriverMismatch:
      return "; libcuda and the kernel module differ in version: reboot or reinstall the driver";
    case abi::kErrorStreamCaptureUnsupported:
    case abi::kErrorStreamCaptureInvalidated:
      return "; plan before the capture begins, launch inside it";
    default:
      return "";
  }
}

}  // namespace

struct Driver::State {
  struct Slot {
    support::Once opened;
    std::unique_ptr<Device> device;
  };
  std::vector<Slot> devices;
  std::mutex mutex;  // guards the map, not the loads
  std::map<std::string, std::unique_ptr<Library>> libraries;
};

const Driver& Driver::load(const std::string& path) {
  static std::mutex mutex;
  static auto& drivers = *new std::map<std::string, const Driver*>;
  std::lock_guard lock(mutex);
  const Driver*& driver = drivers[path];
  if (driver == nullptr) driver = new Driver(path);
  return *driver;
}

Driver::Driver(const std::string& path) : state_(nullptr) {
  void* handle = open_library(path, &path_);
  const std::string missing = resolve_symbols(handle, &api_);
  if (!missing.empty()) {
    throw Error(
        ErrorCode::kNoDevice,
        fmt::format("loading the CUDA driver library: {} has no {}; Fathom needs a driver for CUDA "
                    "12.0 or newer; update the NVIDIA driver",
                    path_, missing));
  }
  own_kernels_ = cuda::own_kernels(handle);
  if (const abi::Result result = api_.init(0); result != abi::kSuccess) {
    throw Error(
        ErrorCode::kNoDevice,
        fmt::format("initialising the CUDA driver {}: cuInit failed with {}; GPU tensors need a "
                    "working NVIDIA GPU; see nvidia-smi, or use CPU tensors{}",
                    path_, describe(result), hint(result)));
  }
  check(api_.driver_get_version(&version_), "cuDriverGetVersion",
        "asking for the driver's version");
  if (version_ < kOldestDriver) {
    throw Error(
        ErrorCode::kNoDevice,
        fmt::format("initialising the CUDA driver {}: it is for CUDA {}.{}; Fathom needs 12.0 or "
                    "newer; update the NVIDIA driver",
                    path_, version_ / 1000, version_ % 1000 / 10));
  }
  check(api_.device_get_count(&device_count_), "cuDeviceGetCount", "counting CUDA devices");
  if (device_count_ == 0) {
    throw Error(
        ErrorCode::kNoDevice,
        fmt::format("looking for a GPU: the driver {} reports no CUDA device; GPU tensors need a "
                    "Hopper GPU; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use CPU tensors",
                    path_));
  }
  state_ = new State;
  state_->devices = std::vector<State::Slot>(static_cast<std::size_t>(device_count_));
}

const Device& Driver::device(int ordinal) const {
  if (ordinal < 0 || ordinal >= device_count_) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("choosing a GPU: the tensors lie on CUDA device {}; this process sees {} "
                    "(0 to {}); check the tensors' device and CUDA_VISIBLE_DEVICES",
                    ordinal, device_count_, device_count_ - 1));
  }
  State::Slot& slot = state_->devices[static_cast<std::size_t>(ordinal)];
  slot.opened.run([&] { slot.device = std::make_unique<Device>(*this, ordinal); });
  return *slot.device;
}

const Library& Driver::library(const std::string& key,
                               const std::function<std::string()>& image) const {
  Library* library;
  {
    std::lock_guard lock(state_->mutex);
    auto& slot = state_->libraries[key];
    if (!slot) slot = std::make_unique<Library>(*this, key);
    library = slot.get();
  }
  library->load_once(image);
  return *library;
}

std::string Driver::describe(abi::Result result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (api_.get_error_name(result, &name) != abi::kSuccess || name == nullptr)
    name = "unknown error";
  if (api_.get_error_string(result, &text) != abi::kSuccess || text == nullptr)
    text = "no description";
  return fmt::format("{} ({}): {}", name, result, text);
}

void Driver::fail(abi::Result result, std::string_view call, std::string_view doing) const {
  throw Error(ErrorCode::kDriver,
              fmt::format("{}: {} failed with {}{}", doing, call, describe(result), hint(result)));
}

}  // namespace fathom::cuda
