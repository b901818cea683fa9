// Kernels of the grouped products that the emulated tests run. Test support.
#include "emulated/kernel_entry.cuh"
#include "emulated/kernels.hpp"

namespace fathom::testing {

using device::gemm::Config;
using device::gemm::ScaleB;

const EmulatedKernel kGroupedTwoWaves =
    make<Config{.block_m = 256, .num_stages = 3, .cluster_n = 2, .grouped = true}>();
const EmulatedKernel kGroupedWholeLaps = make<Config{.block_m = 192,
                                                     .block_n = 32,
                                                     .num_stages = 2,
                                                     .math_warpgroups = 3,
                                                     .cluster_n = 2,
                                                     .grouped = true,
                                                     .whole_laps = true}>();
const EmulatedKernel kGroupedPairM = make<Config{.block_m = 128,
                                                 .block_n = 80,
                                                 .num_stages = 3,
                                                 .cluster_m = 2,
                                                 .staging_chunks = 5,
                                                 .grouped = true}>();
const EmulatedKernel kGroupedScaleB1 = make<Config{.block_m = 64,
                                                   .block_n = 32,
                                                   .num_stages = 4,
                                                   .math_warpgroups = 1,
                                                   .scale_b = ScaleB::k1x128,
                                                   .grouped = true}>();
const EmulatedKernel kGroupedSwapped = make<Config{.block_m = 24,
                                                   .block_n = 192,
                                                   .num_stages = 3,
                                                   .math_warpgroups = 3,
                                                   .grouped = true,
                                                   .swap_operands = true}>();
const EmulatedKernel kGroupedSwappedPair = make<Config{.block_m = 16,
                                                       .block_n = 128,
                                                       .num_stages = 3,
                                                       .math_warpgroups = 1,
                                                       .cluster_n = 2,
                                                       .grouped = true,
                                                       .swap_operands = true}>();
const EmulatedKernel kSwapped = make<Config{
    .block_m = 32, .block_n = 128, .num_stages = 4, .math_warpgroups = 2, .swap_operands = true}>();

}  // namespace fathom::testing
