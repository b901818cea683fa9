// The kernels of tests/ptx_cases, compiled for the emulator and built into libcuda_ptx_cases.so.
// Test support.
#include "emulator/kernels/cuda_text.hpp"
// What stands in its way comes first.
#include "emulator/kernels/built_in.hpp"
#include "ptx_cases/kernels/kernels.cuh"

namespace {

using fathom::emulator::built_in;
using fathom::emulator::RegisterKernel;

const RegisterKernel kKernels[] = {
#define FATHOM_KERNEL(name) RegisterKernel(built_in<&name>(#name, 0, nullptr)),
    // clang-format off
    FATHOM_KERNEL(ptx_casts)
    FATHOM_KERNEL(ptx_threads)
    FATHOM_KERNEL(ptx_warp)
    FATHOM_KERNEL(ptx_registers)
    FATHOM_KERNEL(ptx_trap)
    FATHOM_KERNEL(ptx_shared)
    FATHOM_KERNEL(ptx_stmatrix)
    FATHOM_KERNEL(ptx_stmatrix_trans)
    FATHOM_KERNEL(ptx_global)
    FATHOM_KERNEL(ptx_cp_async)
    FATHOM_KERNEL(ptx_cluster_push)
    FATHOM_KERNEL(ptx_mbarrier)
    FATHOM_KERNEL(ptx_named_barriers)
    FATHOM_KERNEL(ptx_first_grid)
    FATHOM_KERNEL(ptx_second_grid)
    FATHOM_KERNEL(ptx_tma_load)
    FATHOM_KERNEL(ptx_tma_multicast)
    FATHOM_KERNEL(ptx_tma_store)
#define FATHOM_WIDTH(n) FATHOM_KERNEL(ptx_wgmma_##n)
                                FATHOM_WGMMA_WIDTHS(FATHOM_WIDTH)
    // clang-format on
};

}  // namespace
