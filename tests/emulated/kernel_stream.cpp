// Kernels of the stream skeleton that the emulated tests run. Test support.
#include "emulated/kernel_entry.cuh"
#include "emulated/kernels.hpp"

namespace fathom::testing {

using device::gemm::Config;
using device::gemm::Skeleton;

const EmulatedKernel kStreamAlone = make<Config{.skeleton = Skeleton::kStream,
                                                .block_m = 64,
                                                .block_n = 32,
                                                .num_stages = 4,
                                                .math_warpgroups = 1,
                                                .max_k_blocks = 8}>();
const EmulatedKernel kStreamTurns = make<Config{.skeleton = Skeleton::kStream,
                                                .block_m = 64,
                                                .block_n = 40,
                                                .num_stages = 4,
                                                .math_warpgroups = 2,
                                                .max_k_blocks = 8}>();
const EmulatedKernel kStreamFourTurns = make<Config{.skeleton = Skeleton::kStream,
                                                    .block_m = 64,
                                                    .block_n = 16,
                                                    .num_stages = 8,
                                                    .math_warpgroups = 4,
                                                    .max_k_blocks = 8}>();
const EmulatedKernel kStreamSplit = make<Config{.skeleton = Skeleton::kStream,
                                                .block_m = 128,
                                                .block_n = 56,
                                                .num_stages = 4,
                                                .math_warpgroups = 2,
                                                .split_k = 3,
                                                .max_k_blocks = 8}>();
const EmulatedKernel kStreamSplitTurns = make<Config{.skeleton = Skeleton::kStream,
                                                     .block_m = 64,
                                                     .block_n = 64,
                                                     .num_stages = 4,
                                                     .math_warpgroups = 2,
                                                     .split_k = 2,
                                                     .max_k_blocks = 8,
                                                     .output = device::gemm::Output::kFp32}>();

}  // namespace fathom::testing
