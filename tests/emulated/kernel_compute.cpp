// Kernels of the compute skeleton that the emulated tests run. Test support.
#include "emulated/kernel_entry.cuh"
#include "emulated/kernels.hpp"

namespace fathom::testing {

using device::gemm::Config;
using device::gemm::Output;
using device::gemm::ScaleB;

const EmulatedKernel kCompute128x128 =
    make<Config{.block_m = 128, .block_n = 128, .num_stages = 4}>();
const EmulatedKernel kComputeTwoWaves =
    make<Config{.block_m = 256, .block_n = 128, .num_stages = 3, .cluster_n = 2}>();
const EmulatedKernel kComputeStrip =
    make<Config{.block_m = 256, .block_n = 128, .strip_n = 8, .num_stages = 3, .cluster_n = 2}>();
const EmulatedKernel kComputeThree = make<Config{.block_m = 192,
                                                 .block_n = 96,
                                                 .num_stages = 3,
                                                 .math_warpgroups = 3,
                                                 .cluster_m = 2,
                                                 .staging_chunks = 3}>();
const EmulatedKernel kComputeFp32 = make<Config{.block_m = 64,
                                                .block_n = 32,
                                                .num_stages = 4,
                                                .math_warpgroups = 1,
                                                .output = Output::kFp32}>();
const EmulatedKernel kComputeScaleB1 = make<Config{.block_m = 128,
                                                   .block_n = 64,
                                                   .num_stages = 3,
                                                   .cluster_n = 2,
                                                   .output = Output::kFp32,
                                                   .scale_b = ScaleB::k1x128}>();

}  // namespace fathom::testing
