// The FP8 GEMM kernel: D = A * B^T with two-level accumulation (docs/kernels/gemm.md). What the
// JIT's generated source includes. Device layer of the gemm family; must not include another
// family.
#pragma once

#include "gemm/compute_kernel.cuh"
#include "gemm/config.hpp"
#include "gemm/resident_kernel.cuh"
#include "gemm/stream_kernel.cuh"

namespace fathom::device::gemm {

template <Config kConfig, Skeleton kSkeleton = kConfig.skeleton>
struct Kernel : ComputeKernel<kConfig> {};

template <Config kConfig>
struct Kernel<kConfig, Skeleton::kStream> : StreamKernel<kConfig> {};

template <Config kConfig>
struct Kernel<kConfig, Skeleton::kResident> : ResidentKernel<kConfig> {};

}  // namespace fathom::device::gemm
