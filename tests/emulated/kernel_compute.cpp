// Kernels of the compute and the resident skeleton that the emulated tests run. Test support.
#include "emulated/kernel_entry.cuh"
#include "emulated/kernels.hpp"

namespace fathom::testing {

using device::gemm::Config;
using device::gemm::Output;
using device::gemm::ScaleB;
using device::gemm::Skeleton;

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
const EmulatedKernel kComputeWholeLaps =
    make<Config{.block_m = 64, .num_stages = 3, .math_warpgroups = 1, .whole_laps = true}>();
const EmulatedKernel kResident = make<Config{.skeleton = Skeleton::kResident,
                                             .block_m = 64,
                                             .block_n = 128,
                                             .num_stages = 4,
                                             .math_warpgroups = 3,
                                             .staging_chunks = 2}>();
const EmulatedKernel kResidentNarrow = make<Config{.skeleton = Skeleton::kResident,
                                                   .block_m = 64,
                                                   .block_n = 64,
                                                   .num_stages = 3,
                                                   .math_warpgroups = 2}>();

}  // namespace fathom::testing
