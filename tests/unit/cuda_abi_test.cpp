// Our declarations of the driver's binary interface against NVIDIA's header, where that header is
// present.
#include "cuda/abi.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "emulator/driver/recording_cuda.h"

#if __has_include(<cuda.h>)
#include <cuda.h>
#define FATHOM_HAS_CUDA_H 1
#endif

namespace fathom::cuda {
namespace {

TEST(CudaAbiTest, StructsHaveTheSizesOfTheDriver) {
  EXPECT_EQ(sizeof(abi::TensorMap), 128u);
  EXPECT_EQ(alignof(abi::TensorMap), 64u);
  EXPECT_EQ(sizeof(abi::LaunchAttributeValue), 64u);
  EXPECT_EQ(sizeof(abi::LaunchAttribute), 72u);
  EXPECT_EQ(offsetof(abi::LaunchAttribute, value), 8u);
  EXPECT_EQ(sizeof(abi::LaunchConfig), 56u);
  EXPECT_EQ(offsetof(abi::LaunchConfig, stream), 32u);
}

#ifdef FATHOM_HAS_CUDA_H

template <typename Ours, typename Theirs>
constexpr bool same(Ours ours, Theirs theirs) {
  return static_cast<long long>(ours) == static_cast<long long>(theirs);
}

static_assert(sizeof(abi::DevicePointer) == sizeof(CUdeviceptr) &&
              sizeof(abi::DeviceId) == sizeof(CUdevice));
// The call asks for 64 bytes of alignment; the header of 13.0 declares 128 all the same, those
// of 12.x 64.
static_assert(sizeof(abi::TensorMap) == sizeof(CUtensorMap) &&
              alignof(CUtensorMap) % alignof(abi::TensorMap) == 0);
static_assert(sizeof(abi::LaunchAttribute) == sizeof(CUlaunchAttribute) &&
              offsetof(abi::LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(abi::LaunchConfig) == sizeof(CUlaunchConfig) &&
              offsetof(abi::LaunchConfig, grid_x) == offsetof(CUlaunchConfig, gridDimX) &&
              offsetof(abi::LaunchConfig, block_x) == offsetof(CUlaunchConfig, blockDimX) &&
              offsetof(abi::LaunchConfig, shared_bytes) ==
                  offsetof(CUlaunchConfig, sharedMemBytes) &&
              offsetof(abi::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream) &&
              offsetof(abi::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs) &&
              offsetof(abi::LaunchConfig, num_attributes) == offsetof(CUlaunchConfig, numAttrs));

static_assert(same(abi::kErrorInvalidValue, CUDA_ERROR_INVALID_VALUE));
static_assert(same(abi::kErrorOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY));
static_assert(same(abi::kErrorNotInitialized, CUDA_ERROR_NOT_INITIALIZED));
static_assert(same(abi::kErrorStubLibrary, CUDA_ERROR_STUB_LIBRARY));
static_assert(same(abi::kErrorNoDevice, CUDA_ERROR_NO_DEVICE));
static_assert(same(abi::kErrorInvalidDevice, CUDA_ERROR_INVALID_DEVICE));
static_assert(same(abi::kErrorInvalidImage, CUDA_ERROR_INVALID_IMAGE));
static_assert(same(abi::kErrorInvalidContext, CUDA_ERROR_INVALID_CONTEXT));
static_assert(same(abi::kErrorNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU));
static_assert(same(abi::kErrorInvalidHandle, CUDA_ERROR_INVALID_HANDLE));
static_assert(same(abi::kErrorNotFound, CUDA_ERROR_NOT_FOUND));
static_assert(same(abi::kErrorNotReady, CUDA_ERROR_NOT_READY));
static_assert(same(abi::kErrorLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES));
static_assert(same(abi::kErrorLaunchFailed, CUDA_ERROR_LAUNCH_FAILED));
static_assert(same(abi::kErrorSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH));
static_assert(same(abi::kErrorStreamCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED));
static_assert(same(abi::kErrorStreamCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED));
static_assert(same(abi::kErrorInvalidClusterSize, CUDA_ERROR_INVALID_CLUSTER_SIZE));

static_assert(same(abi::DeviceAttribute::kClockRate, CU_DEVICE_ATTRIBUTE_CLOCK_RATE));
static_assert(same(abi::DeviceAttribute::kMultiprocessorCount,
                   CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
static_assert(same(abi::DeviceAttribute::kMemoryClockRate, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE));
static_assert(same(abi::DeviceAttribute::kMemoryBusWidth,
                   CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH));
static_assert(same(abi::DeviceAttribute::kL2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE));
static_assert(same(abi::DeviceAttribute::kComputeCapabilityMajor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
static_assert(same(abi::DeviceAttribute::kComputeCapabilityMinor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
static_assert(same(abi::DeviceAttribute::kPageableMemoryAccess,
                   CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS));
static_assert(same(abi::DeviceAttribute::kMaxSharedMemoryPerBlockOptin,
                   CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN));

static_assert(same(abi::FunctionAttribute::kMaxThreadsPerBlock,
                   CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK));
static_assert(same(abi::FunctionAttribute::kStaticSharedBytes,
                   CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES));
static_assert(same(abi::FunctionAttribute::kLocalBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES));
static_assert(same(abi::FunctionAttribute::kNumRegisters, CU_FUNC_ATTRIBUTE_NUM_REGS));
static_assert(same(abi::FunctionAttribute::kMaxDynamicSharedBytes,
                   CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES));
static_assert(same(abi::FunctionAttribute::kNonPortableClusterSizeAllowed,
                   CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED));
static_assert(same(abi::PointerAttribute::kMemoryType, CU_POINTER_ATTRIBUTE_MEMORY_TYPE));
static_assert(same(abi::PointerAttribute::kDeviceOrdinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL));

static_assert(same(abi::CaptureStatus::kActive, CU_STREAM_CAPTURE_STATUS_ACTIVE));
static_assert(same(abi::CaptureStatus::kInvalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED));
static_assert(same(abi::CaptureMode::kGlobal, CU_STREAM_CAPTURE_MODE_GLOBAL));
static_assert(same(abi::CaptureMode::kThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
static_assert(same(abi::CaptureMode::kRelaxed, CU_STREAM_CAPTURE_MODE_RELAXED));
static_assert(same(abi::kStreamNonBlocking, CU_STREAM_NON_BLOCKING));

static_assert(same(abi::TensorMapDataType::kUint8, CU_TENSOR_MAP_DATA_TYPE_UINT8));
static_assert(same(abi::TensorMapDataType::kFloat32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32));
static_assert(same(abi::TensorMapDataType::kBfloat16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16));
static_assert(same(abi::TensorMapInterleave::kNone, CU_TENSOR_MAP_INTERLEAVE_NONE));
static_assert(same(abi::TensorMapSwizzle::kNone, CU_TENSOR_MAP_SWIZZLE_NONE));
static_assert(same(abi::TensorMapSwizzle::k32, CU_TENSOR_MAP_SWIZZLE_32B));
static_assert(same(abi::TensorMapSwizzle::k64, CU_TENSOR_MAP_SWIZZLE_64B));
static_assert(same(abi::TensorMapSwizzle::k128, CU_TENSOR_MAP_SWIZZLE_128B));
static_assert(same(abi::TensorMapL2Promotion::kNone, CU_TENSOR_MAP_L2_PROMOTION_NONE));
static_assert(same(abi::TensorMapL2Promotion::k64, CU_TENSOR_MAP_L2_PROMOTION_L2_64B));
static_assert(same(abi::TensorMapL2Promotion::k128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B));
static_assert(same(abi::TensorMapL2Promotion::k256, CU_TENSOR_MAP_L2_PROMOTION_L2_256B));
static_assert(same(abi::TensorMapFill::kZeros, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));

static_assert(same(abi::LaunchAttributeId::kCooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE));
static_assert(same(abi::LaunchAttributeId::kClusterDimension,
                   CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION));
static_assert(same(abi::LaunchAttributeId::kProgrammaticStreamSerialization,
                   CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION));
static_assert(same(abi::LaunchAttributeId::kPriority, CU_LAUNCH_ATTRIBUTE_PRIORITY));

/// Same number of parameters, each of the same size and kind (number or pointer): what the calling
/// convention sees.
template <typename Ours, typename Theirs>
struct SameCall : std::false_type {};
template <typename... Ours, typename... Theirs>
struct SameCall<abi::Result (*)(Ours...), CUresult (*)(Theirs...)>
    : std::bool_constant<sizeof...(Ours) == sizeof...(Theirs)> {};
template <typename A, typename B>
constexpr bool same_parameter =
    sizeof(A) == sizeof(B) && std::is_floating_point_v<A> == std::is_floating_point_v<B>;
template <typename... Ours, typename... Theirs>
requires(sizeof...(Ours) == sizeof...(Theirs) &&
         sizeof...(Ours) > 0) struct SameCall<abi::Result (*)(Ours...), CUresult (*)(Theirs...)>
    : std::bool_constant<(same_parameter<Ours, Theirs> && ...)> {
};
#define SAME_CALL(member, function) \
  static_assert(SameCall<decltype(abi::Api::member), decltype(&function)>::value)
SAME_CALL(init, cuInit);
SAME_CALL(driver_get_version, cuDriverGetVersion);
SAME_CALL(get_error_name, cuGetErrorName);
SAME_CALL(get_error_string, cuGetErrorString);
SAME_CALL(device_get_count, cuDeviceGetCount);
SAME_CALL(device_get, cuDeviceGet);
SAME_CALL(device_get_name, cuDeviceGetName);
SAME_CALL(device_get_attribute, cuDeviceGetAttribute);
SAME_CALL(device_total_mem, cuDeviceTotalMem);
SAME_CALL(device_primary_ctx_retain, cuDevicePrimaryCtxRetain);
SAME_CALL(ctx_get_current, cuCtxGetCurrent);
SAME_CALL(ctx_push_current, cuCtxPushCurrent);
SAME_CALL(ctx_pop_current, cuCtxPopCurrent);
SAME_CALL(ctx_synchronize, cuCtxSynchronize);
SAME_CALL(library_load_data, cuLibraryLoadData);
SAME_CALL(library_get_kernel, cuLibraryGetKernel);
SAME_CALL(kernel_get_function, cuKernelGetFunction);
SAME_CALL(func_get_attribute, cuFuncGetAttribute);
SAME_CALL(func_set_attribute, cuFuncSetAttribute);
SAME_CALL(launch_kernel_ex, cuLaunchKernelEx);
SAME_CALL(tensor_map_encode_tiled, cuTensorMapEncodeTiled);
SAME_CALL(mem_alloc, cuMemAlloc);
SAME_CALL(mem_free, cuMemFree);
SAME_CALL(memcpy_htod_async, cuMemcpyHtoDAsync);
SAME_CALL(memcpy_dtoh_async, cuMemcpyDtoHAsync);
SAME_CALL(memset_d8_async, cuMemsetD8Async);
SAME_CALL(memset_d2d8_async, cuMemsetD2D8Async);
SAME_CALL(pointer_get_attribute, cuPointerGetAttribute);
SAME_CALL(stream_create, cuStreamCreate);
SAME_CALL(stream_destroy, cuStreamDestroy);
SAME_CALL(stream_synchronize, cuStreamSynchronize);
SAME_CALL(stream_is_capturing, cuStreamIsCapturing);
SAME_CALL(thread_exchange_stream_capture_mode, cuThreadExchangeStreamCaptureMode);
SAME_CALL(stream_begin_capture, cuStreamBeginCapture);
SAME_CALL(stream_end_capture, cuStreamEndCapture);
SAME_CALL(graph_instantiate, cuGraphInstantiateWithFlags);
SAME_CALL(graph_launch, cuGraphLaunch);
SAME_CALL(graph_exec_destroy, cuGraphExecDestroy);
SAME_CALL(graph_destroy, cuGraphDestroy);
SAME_CALL(event_create, cuEventCreate);
SAME_CALL(event_destroy, cuEventDestroy);
SAME_CALL(event_record, cuEventRecord);
SAME_CALL(event_synchronize, cuEventSynchronize);
SAME_CALL(event_elapsed_time, cuEventElapsedTime);

#endif  // FATHOM_HAS_CUDA_H

}  // namespace
}  // namespace fathom::cuda
