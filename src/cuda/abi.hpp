// The part of the CUDA driver's binary interface that this library uses, declared by ourselves so
// that building needs no CUDA toolkit. Runtime layer; knows no kernel. Names and values are those
// of NVIDIA's CUDA Driver API reference; tests/unit/cuda_abi_test.cpp compares every one of them
// with cuda.h where that header is present.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fathom::cuda::abi {

using Result = int;                    // CUresult
using DeviceId = int;                  // CUdevice
using DevicePointer = std::uint64_t;   // CUdeviceptr
using Context = struct ContextTag*;    // CUcontext
using Library = struct LibraryTag*;    // CUlibrary
using Kernel = struct KernelTag*;      // CUkernel
using Function = struct FunctionTag*;  // CUfunction
using Stream = struct StreamTag*;      // CUstream
using Event = struct EventTag*;        // CUevent
using Graph = struct GraphTag*;        // CUgraph
using GraphExec = struct ExecTag*;     // CUgraphExec

enum : Result {
  kSuccess = 0,
  kErrorInvalidValue = 1,
  kErrorOutOfMemory = 2,
  kErrorNotInitialized = 3,
  kErrorStubLibrary = 34,
  kErrorNoDevice = 100,
  kErrorInvalidDevice = 101,
  kErrorInvalidImage = 200,
  kErrorInvalidContext = 201,
  kErrorNoBinaryForGpu = 209,
  kErrorInvalidHandle = 400,
  kErrorNotFound = 500,
  kErrorNotReady = 600,
  kErrorLaunchOutOfResources = 701,
  kErrorLaunchFailed = 719,
  kErrorSystemDriverMismatch = 803,
  kErrorStreamCaptureUnsupported = 900,
  kErrorStreamCaptureInvalidated = 901,
  kErrorInvalidClusterSize = 912,
};

enum class DeviceAttribute : int {
  kClockRate = 13,  // kHz
  kMultiprocessorCount = 16,
  kMemoryClockRate = 36,  // kHz
  kMemoryBusWidth = 37,   // bits
  kL2CacheSize = 38,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kPageableMemoryAccess = 88,
  kMaxSharedMemoryPerBlockOptin = 97,
};

enum class FunctionAttribute : int {
  kMaxThreadsPerBlock = 0,
  kStaticSharedBytes = 1,
  kLocalBytes = 3,
  kNumRegisters = 4,
  kMaxDynamicSharedBytes = 8,
  kNonPortableClusterSizeAllowed = 14,
};

enum class PointerAttribute : int { kMemoryType = 2, kDeviceOrdinal = 9 };
enum class CaptureStatus : int { kNone = 0, kActive = 1, kInvalidated = 2 };
enum class CaptureMode : int { kGlobal = 0, kThreadLocal = 1, kRelaxed = 2 };
inline constexpr unsigned kStreamNonBlocking = 1;

/// Holds an encoded tensor map (CUtensorMap).
struct alignas(64) TensorMap {
  std::uint64_t opaque[16];
};
enum class TensorMapDataType : int { kUint8 = 0, kFloat32 = 7, kBfloat16 = 9 };
enum class TensorMapInterleave : int { kNone = 0 };
enum class TensorMapSwizzle : int { kNone = 0, k32 = 1, k64 = 2, k128 = 3 };
enum class TensorMapL2Promotion : int { kNone = 0, k64 = 1, k128 = 2, k256 = 3 };
enum class TensorMapFill : int { kZeros = 0 };

enum class LaunchAttributeId : int {
  kCooperative = 2,
  kClusterDimension = 4,
  kProgrammaticStreamSerialization = 6,
  kPriority = 8,
};
union LaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned x, y, z;
  } cluster;
  int programmatic_stream_serialization;
  int priority;
};
struct LaunchAttribute {
  LaunchAttributeId id;
  char pad[4];  // the driver's struct aligns the value to 8 bytes
  LaunchAttributeValue value;
};
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned num_attributes;
};

/// The driver's functions, resolved by Driver. A member bears the name of the driver's function
/// without "cu" and version.
struct Api {
  Result (*init)(unsigned flags);
  Result (*driver_get_version)(int* version);
  Result (*get_error_name)(Result error, const char** name);
  Result (*get_error_string)(Result error, const char** text);

  Result (*device_get_count)(int* count);
  Result (*device_get)(DeviceId* device, int ordinal);
  Result (*device_get_name)(char* name, int size, DeviceId device);
  Result (*device_get_attribute)(int* value, DeviceAttribute attribute, DeviceId device);
  Result (*device_total_mem)(std::size_t* bytes, DeviceId device);
  Result (*device_primary_ctx_retain)(Context* context, DeviceId device);
  Result (*ctx_get_current)(Context* context);
  Result (*ctx_push_current)(Context context);
  Result (*ctx_pop_current)(Context* context);
  Result (*ctx_synchronize)();

  Result (*library_load_data)(Library* library, const void* image, void* jit_options,
                              void** jit_values, unsigned num_jit_options, void* options,
                              void** values, unsigned num_options);
  Result (*library_get_kernel)(Kernel* kernel, Library library, const char* name);
  Result (*kernel_get_function)(Function* function, Kernel kernel);
  Result (*func_get_attribute)(int* value, FunctionAttribute attribute, Function function);
  Result (*func_set_attribute)(Function function, FunctionAttribute attribute, int value);
  Result (*func_load)(Function function);  // from driver 12.4 on; null before
  Result (*launch_kernel_ex)(const LaunchConfig* config, Function function, void** params,
                             void** extra);
  Result (*tensor_map_encode_tiled)(TensorMap* map, TensorMapDataType type, std::uint32_t rank,
                                    void* base, const std::uint64_t* dims,
                                    const std::uint64_t* strides, const std::uint32_t* box,
                                    const std::uint32_t* element_strides,
                                    TensorMapInterleave interleave, TensorMapSwizzle swizzle,
                                    TensorMapL2Promotion promotion, TensorMapFill fill);

  Result (*mem_alloc)(DevicePointer* pointer, std::size_t bytes);
  Result (*mem_free)(DevicePointer pointer);
  Result (*memcpy_htod_async)(DevicePointer to, const void* from, std::size_t bytes, Stream stream);
  Result (*memcpy_dtoh_async)(void* to, DevicePointer from, std::size_t bytes, Stream stream);
  Result (*memset_d8_async)(DevicePointer to, unsigned char value, std::size_t bytes,
                            Stream stream);
  Result (*memset_d2d8_async)(DevicePointer to, std::size_t pitch, unsigned char value,
                              std::size_t width, std::size_t height, Stream stream);
  Result (*pointer_get_attribute)(void* value, PointerAttribute attribute, DevicePointer pointer);

  Result (*stream_create)(Stream* stream, unsigned flags);
  Result (*stream_destroy)(Stream stream);
  Result (*stream_synchronize)(Stream stream);
  Result (*stream_is_capturing)(Stream stream, CaptureStatus* status);
  Result (*thread_exchange_stream_capture_mode)(CaptureMode* mode);
  Result (*stream_begin_capture)(Stream stream, CaptureMode mode);
  Result (*stream_end_capture)(Stream stream, Graph* graph);
  Result (*graph_instantiate)(GraphExec* exec, Graph graph, unsigned long long flags);
  Result (*graph_launch)(GraphExec exec, Stream stream);
  Result (*graph_exec_destroy)(GraphExec exec);
  Result (*graph_destroy)(Graph graph);
  Result (*event_create)(Event* event, unsigned flags);
  Result (*event_destroy)(Event event);
  Result (*event_record)(Event event, Stream stream);
  Result (*event_synchronize)(Event event);
  Result (*event_elapsed_time)(float* milliseconds, Event start, Event end);
};

}  // namespace fathom::cuda::abi
