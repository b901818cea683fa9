// The table of driver functions: name, exported symbol, CUDA version whose signature abi.hpp
// declares. Runtime layer.
#include "cuda/symbols.hpp"

#include <dlfcn.h>

#include <sstream>

namespace fathom::cuda {
namespace {

// cuGetProcAddress as of 12.0; the last argument says why a symbol was not found and is not used
// here.
using GetProcAddress = abi::Result (*)(const char* name, void** function, int version,
                                       std::uint64_t flags, int* status);

struct Resolver {
  void* library;
  GetProcAddress get_proc_address;
  std::string missing;

  /// `name` as cuGetProcAddress knows it; `symbol` as the library exports it (with its version
  /// suffix).
  template <typename Function>
  void find(Function*& member, const char* name, const char* symbol, int version) {
    void* address = nullptr;
    if (get_proc_address != nullptr) {
      int status = 0;
      if (get_proc_address(name, &address, version, 0, &status) != abi::kSuccess) address = nullptr;
    }
    if (address == nullptr) address = dlsym(library, symbol);
    member = reinterpret_cast<Function*>(address);
    if (address == nullptr && missing.empty()) missing = name;
  }
  template <typename Function>
  void find(Function*& member, const char* name, int version) {
    find(member, name, name, version);
  }
  /// A function that older drivers lack and that callers test for.
  template <typename Function>
  void find_optional(Function*& member, const char* name, int version) {
    const std::string before = missing;
    find(member, name, name, version);
    missing = before;
  }
};

void resolve_devices(Resolver& r, abi::Api* api) {
  r.find(api->init, "cuInit", 2000);
  r.find(api->driver_get_version, "cuDriverGetVersion", 2020);
  r.find(api->get_error_name, "cuGetErrorName", 6000);
  r.find(api->get_error_string, "cuGetErrorString", 6000);
  r.find(api->device_get_count, "cuDeviceGetCount", 2000);
  r.find(api->device_get, "cuDeviceGet", 2000);
  r.find(api->device_get_name, "cuDeviceGetName", 2000);
  r.find(api->device_get_attribute, "cuDeviceGetAttribute", 2000);
  r.find(api->device_total_mem, "cuDeviceTotalMem", "cuDeviceTotalMem_v2", 3020);
  r.find(api->device_primary_ctx_retain, "cuDevicePrimaryCtxRetain", 7000);
  r.find(api->ctx_get_current, "cuCtxGetCurrent", 4000);
  r.find(api->ctx_push_current, "cuCtxPushCurrent", "cuCtxPushCurrent_v2", 4000);
  r.find(api->ctx_pop_current, "cuCtxPopCurrent", "cuCtxPopCurrent_v2", 4000);
  r.find(api->ctx_synchronize, "cuCtxSynchronize", 2000);
}

void resolve_kernels(Resolver& r, abi::Api* api) {
  r.find(api->library_load_data, "cuLibraryLoadData", 12000);
  r.find(api->library_get_kernel, "cuLibraryGetKernel", 12000);
  r.find(api->kernel_get_function, "cuKernelGetFunction", 12000);
  r.find(api->func_get_attribute, "cuFuncGetAttribute", 2020);
  r.find(api->func_set_attribute, "cuFuncSetAttribute", 9000);
  r.find_optional(api->func_load, "cuFuncLoad", 12040);
  r.find(api->launch_kernel_ex, "cuLaunchKernelEx", 11060);
  r.find(api->tensor_map_encode_tiled, "cuTensorMapEncodeTiled", 12000);
}

void resolve_memory(Resolver& r, abi::Api* api) {
  r.find(api->mem_alloc, "cuMemAlloc", "cuMemAlloc_v2", 3020);
  r.find(api->mem_free, "cuMemFree", "cuMemFree_v2", 3020);
  r.find(api->memcpy_htod_async, "cuMemcpyHtoDAsync", "cuMemcpyHtoDAsync_v2", 3020);
  r.find(api->memcpy_dtoh_async, "cuMemcpyDtoHAsync", "cuMemcpyDtoHAsync_v2", 3020);
  r.find(api->memset_d8_async, "cuMemsetD8Async", 3020);
  r.find(api->memset_d2d8_async, "cuMemsetD2D8Async", 3020);
  r.find(api->pointer_get_attribute, "cuPointerGetAttribute", 4000);
}

void resolve_streams(Resolver& r, abi::Api* api) {
  r.find(api->stream_create, "cuStreamCreate", 2000);
  r.find(api->stream_destroy, "cuStreamDestroy", "cuStreamDestroy_v2", 4000);
  r.find(api->stream_synchronize, "cuStreamSynchronize", 2000);
  r.find(api->stream_is_capturing, "cuStreamIsCapturing", 10000);
  r.find(api->thread_exchange_stream_capture_mode, "cuThreadExchangeStreamCaptureMode", 10010);
  r.find(api->stream_begin_capture, "cuStreamBeginCapture", "cuStreamBeginCapture_v2", 10010);
  r.find(api->stream_end_capture, "cuStreamEndCapture", 10000);
  r.find(api->graph_instantiate, "cuGraphInstantiateWithFlags", 11040);
  r.find(api->graph_launch, "cuGraphLaunch", 10000);
  r.find(api->graph_exec_destroy, "cuGraphExecDestroy", 10000);
  r.find(api->graph_destroy, "cuGraphDestroy", 10000);
  r.find(api->event_create, "cuEventCreate", 2000);
  r.find(api->event_destroy, "cuEventDestroy", "cuEventDestroy_v2", 4000);
  r.find(api->event_record, "cuEventRecord", 2000);
  r.find(api->event_synchronize, "cuEventSynchronize", 2000);
  r.find(api->event_elapsed_time, "cuEventElapsedTime", 2000);
}

}  // namespace

std::string resolve_symbols(void* library, abi::Api* api) {
  Resolver resolver{
      library, reinterpret_cast<GetProcAddress>(dlsym(library, "cuGetProcAddress_v2")), {}};
  resolve_devices(resolver, api);
  resolve_kernels(resolver, api);
  resolve_memory(resolver, api);
  resolve_streams(resolver, api);
  return resolver.missing;
}

std::vector<std::string> own_kernels(void* library) {
  const auto list = reinterpret_cast<const char* (*)()>(dlsym(library, "fathom_driver_kernels"));
  std::vector<std::string> names;
  if (list == nullptr) return names;
  std::istringstream lines(list());
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  return names;
}

}  // namespace fathom::cuda
