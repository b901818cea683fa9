// Initialisation, devices, contexts and error texts of the recording driver. Emulator layer,
// driver.
#include <dlfcn.h>

#include <array>
#include <cstring>

#include "emulator/driver/recorder.hpp"

using namespace recording_cuda;

namespace {

// Names and texts of the codes that the tests inject; the texts are ours.
struct ErrorText {
  abi::Result code;
  const char* name;
  const char* text;
};
constexpr std::array<ErrorText, 18> kErrors{{
    {abi::kSuccess, "CUDA_SUCCESS", "no error"},
    {abi::kErrorInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {abi::kErrorOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {abi::kErrorNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "not initialised"},
    {abi::kErrorStubLibrary, "CUDA_ERROR_STUB_LIBRARY", "stub library"},
    {abi::kErrorNoDevice, "CUDA_ERROR_NO_DEVICE", "no device"},
    {abi::kErrorInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {abi::kErrorInvalidImage, "CUDA_ERROR_INVALID_IMAGE", "invalid kernel image"},
    {abi::kErrorInvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid context"},
    {abi::kErrorNoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no binary for this GPU"},
    {abi::kErrorInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid handle"},
    {abi::kErrorNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {abi::kErrorLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested"},
    {abi::kErrorLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "launch failed"},
    {abi::kErrorSystemDriverMismatch, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver mismatch"},
    {abi::kErrorStreamCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "not allowed in a capture"},
    {abi::kErrorStreamCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "capture was invalidated"},
    {abi::kErrorInvalidClusterSize, "CUDA_ERROR_INVALID_CLUSTER_SIZE", "invalid cluster size"},
}};

const ErrorText* find_error(abi::Result code) {
  for (const ErrorText& error : kErrors) {
    if (error.code == code) return &error;
  }
  return nullptr;
}

const char* attribute_key(abi::DeviceAttribute attribute) {
  switch (attribute) {
    case abi::DeviceAttribute::kClockRate:
      return "clock_khz";
    case abi::DeviceAttribute::kMultiprocessorCount:
      return "sms";
    case abi::DeviceAttribute::kMemoryClockRate:
      return "memory_clock_khz";
    case abi::DeviceAttribute::kMemoryBusWidth:
      return "bus_bits";
    case abi::DeviceAttribute::kL2CacheSize:
      return "l2_bytes";
    case abi::DeviceAttribute::kComputeCapabilityMajor:
    case abi::DeviceAttribute::kComputeCapabilityMinor:
      return "compute_capability";
    case abi::DeviceAttribute::kPageableMemoryAccess:
      return "pageable";
    case abi::DeviceAttribute::kMaxSharedMemoryPerBlockOptin:
      return "shared_bytes";
  }
  return nullptr;
}

bool device_exists(State& s, abi::DeviceId device) {
  return device >= 0 && device < s.get("devices");
}

}  // namespace

RECORDING_CUDA_EXPORT abi::Result cuInit(unsigned flags) {
  return record_call("cuInit", fmt::format("flags={}", flags), [](State& s, std::string&) {
    if (s.get("devices") == 0) return abi::Result{abi::kErrorNoDevice};
    s.initialised = true;
    return abi::Result{abi::kSuccess};
  });
}

RECORDING_CUDA_EXPORT abi::Result cuDriverGetVersion(int* version) {
  return record_call("cuDriverGetVersion", "", [&](State& s, std::string&) {
    *version = static_cast<int>(s.get("driver_version"));
    return abi::Result{abi::kSuccess};
  });
}

RECORDING_CUDA_EXPORT abi::Result cuGetErrorName(abi::Result code, const char** name) {
  return record_call("cuGetErrorName", fmt::format("code={}", code),
                     [&](State&, std::string&) -> abi::Result {
                       const ErrorText* error = find_error(code);
                       *name = error == nullptr ? nullptr : error->name;
                       return error == nullptr ? abi::kErrorInvalidValue : abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuGetErrorString(abi::Result code, const char** text) {
  return record_call("cuGetErrorString", fmt::format("code={}", code),
                     [&](State& s, std::string&) -> abi::Result {
                       const ErrorText* error = find_error(code);
                       if (code == abi::kErrorLaunchFailed && !s.failure.empty()) {
                         *text = s.failure.c_str();
                         return abi::kSuccess;
                       }
                       *text = error == nullptr ? nullptr : error->text;
                       return error == nullptr ? abi::kErrorInvalidValue : abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuDeviceGetCount(int* count) {
  return record_call("cuDeviceGetCount", "", [&](State& s, std::string&) -> abi::Result {
    if (!s.initialised) return abi::kErrorNotInitialized;
    *count = static_cast<int>(s.get("devices"));
    return abi::kSuccess;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuDeviceGet(abi::DeviceId* device, int ordinal) {
  return record_call("cuDeviceGet", fmt::format("ordinal={}", ordinal),
                     [&](State& s, std::string&) -> abi::Result {
                       if (!device_exists(s, ordinal)) return abi::kErrorInvalidDevice;
                       *device = ordinal;
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuDeviceGetName(char* name, int size, abi::DeviceId device) {
  return record_call("cuDeviceGetName", fmt::format("device={}", device),
                     [&](State& s, std::string&) -> abi::Result {
                       if (!device_exists(s, device)) return abi::kErrorInvalidDevice;
                       std::strncpy(name, s.device_name.c_str(), static_cast<std::size_t>(size));
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuDeviceGetAttribute(int* value, abi::DeviceAttribute attribute,
                                                       abi::DeviceId device) {
  return record_call("cuDeviceGetAttribute",
                     fmt::format("attribute={} device={}", static_cast<int>(attribute), device),
                     [&](State& s, std::string&) -> abi::Result {
                       const char* key = attribute_key(attribute);
                       if (key == nullptr) return abi::kErrorInvalidValue;
                       if (!device_exists(s, device)) return abi::kErrorInvalidDevice;
                       *value = static_cast<int>(s.get(key));
                       if (attribute == abi::DeviceAttribute::kComputeCapabilityMajor) *value /= 10;
                       if (attribute == abi::DeviceAttribute::kComputeCapabilityMinor) *value %= 10;
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuDeviceTotalMem_v2(std::size_t* bytes, abi::DeviceId device) {
  return record_call("cuDeviceTotalMem", fmt::format("device={}", device),
                     [&](State& s, std::string&) -> abi::Result {
                       if (!device_exists(s, device)) return abi::kErrorInvalidDevice;
                       *bytes = static_cast<std::size_t>(s.get("memory_bytes"));
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuDevicePrimaryCtxRetain(abi::Context* context,
                                                           abi::DeviceId device) {
  return record_call("cuDevicePrimaryCtxRetain", fmt::format("device={}", device),
                     [&](State& s, std::string&) -> abi::Result {
                       if (!device_exists(s, device)) return abi::kErrorInvalidDevice;
                       auto& slot = s.contexts[device];
                       if (!slot) slot = std::make_unique<Context>(Context{device});
                       *context = reinterpret_cast<abi::Context>(slot.get());
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuCtxGetCurrent(abi::Context* context) {
  return record_call("cuCtxGetCurrent", "", [&](State&, std::string&) {
    *context =
        context_stack().empty() ? nullptr : reinterpret_cast<abi::Context>(context_stack().back());
    return abi::Result{abi::kSuccess};
  });
}

RECORDING_CUDA_EXPORT abi::Result cuCtxPushCurrent_v2(abi::Context context) {
  auto* pushed = reinterpret_cast<Context*>(context);
  return record_call("cuCtxPushCurrent",
                     fmt::format("device={}", pushed == nullptr ? -1 : pushed->device),
                     [&](State&, std::string&) {
                       context_stack().push_back(pushed);
                       return abi::Result{abi::kSuccess};
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuCtxPopCurrent_v2(abi::Context* context) {
  return record_call("cuCtxPopCurrent", "", [&](State&, std::string&) -> abi::Result {
    if (context_stack().empty()) return abi::kErrorInvalidContext;
    *context = reinterpret_cast<abi::Context>(context_stack().back());
    context_stack().pop_back();
    return abi::kSuccess;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuCtxSynchronize() {
  return record_context_call("cuCtxSynchronize", "",
                             [](State& s, std::string&) { return capture_conflict(s); });
}

// Resolves within this very file, whichever copy of it was loaded. Unrecorded: it says nothing
// about a GPU.
RECORDING_CUDA_EXPORT abi::Result cuGetProcAddress_v2(const char* symbol, void** function, int,
                                                      std::uint64_t, int*) {
  Dl_info self{};
  dladdr(reinterpret_cast<void*>(&cuGetProcAddress_v2), &self);
  void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *function = dlsym(library, symbol);
  if (*function == nullptr) *function = dlsym(library, (std::string(symbol) + "_v2").c_str());
  dlclose(library);
  return *function == nullptr ? abi::kErrorNotFound : abi::kSuccess;
}
