// A GEMM made ready for one GPU: the kernel, its launch shape and its parameters. Front end,
// internal; shared with the benchmarks and the device tests, which compare with launches of their
// own.
#pragma once

#include "api/gemm_backend.hpp"
#include "api/gemm_memo.hpp"
#include "cuda/device.hpp"
#include "cuda/launch.hpp"
#include "gemm/launch.hpp"

namespace fathom::api {

/// What launching does. kNothing: no element of D changes. kZero: k is 0, so D becomes 0 (m or n
/// above 0).
enum class CudaGemmWork { kNothing, kZero, kKernel };

struct CudaGemm : PlannedGemm {
  CudaGemmWork work = CudaGemmWork::kNothing;
  const cuda::Device* device = nullptr;
  // kKernel:
  cuda::LaunchShape shape{};
  device::gemm::Params params{};
};

/// What the planner knows of a device of this machine.
plan::DeviceSpec device_spec(const cuda::DeviceInfo& info);

/// The device of the operands and the plan on it. Throws Error(kNoDevice) without a driver,
/// Error(kUnsupported) where no kernel serves, Error(kInvalidArgument) for addresses that are no
/// memory of CUDA's. Compiles and loads nothing.
CudaGemm plan_cuda_gemm(const GemmCall& call);

/// plan_cuda_gemm and what it leaves out: compiles or loads the kernel, encodes the tensor maps.
CudaGemm bind_cuda_gemm(const GemmCall& call);

}  // namespace fathom::api
