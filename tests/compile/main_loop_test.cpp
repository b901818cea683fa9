// The machine code of the main loops. At m = 4096 the card is at its power cap, and instructions
// around the tensor work cost twice: a change that adds some must not go by unseen.
#include <gtest/gtest.h>

#include <string>

#include "compile/sass.hpp"
#include "compile/wheels.hpp"
#include "jit/builder.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::test {
namespace {

using plan::GemmConfig;

std::vector<SassInstruction> code_of(const GemmConfig& config) {
  const std::string name = plan::gemm_kernel_name(config);
  const std::string source = plan::gemm_source(config);
  const jit::CompileOutput output = wheel_compiler(13)->compile(
      {name, source, embedded::device_sources(), "sm_90a", jit::BuilderOptions().options});
  if (!output.ok) throw std::runtime_error(output.log);
  return sass_of(output.image, name);
}

/// Instructions besides the FFMA per block of k, in the loop over whole laps of the ring.
double overhead(const GemmConfig& config) {
  const SassLoop loop = innermost_wgmma_loop(code_of(config));
  EXPECT_EQ(loop.qgmma, config.num_stages * config.waves() * 4) << "one lap of the ring";
  EXPECT_EQ(loop.ffma, config.num_stages * config.waves() * config.block_n / 2);
  return static_cast<double>(loop.instructions - loop.ffma) / config.num_stages;
}

TEST(MainLoop, OfTwoWavesStaysLean) {
  const GemmConfig config{.block_m = 256, .num_stages = 4, .cluster_n = 2};
  EXPECT_LE(overhead(config), 54);  // 51.5 with NVRTC 13.0; DeepGEMM's loop has 64
}

TEST(MainLoop, OfThreeWarpgroupsStaysLean) {
  const GemmConfig config{
      .block_m = 192, .num_stages = 4, .math_warpgroups = 3, .cluster_n = 2, .staging_chunks = 2};
  EXPECT_LE(overhead(config), 35);  // 33.25 with NVRTC 13.0
}

// The walk over groups is another warp's business: nothing of it may reach the main loop.
TEST(MainLoop, OfGroupsIsThatOfTheDenseProduct) {
  const GemmConfig dense{.block_m = 256, .num_stages = 4, .cluster_n = 2};
  GemmConfig grouped = dense;
  grouped.grouped = true;
  EXPECT_LE(overhead(grouped), 54);
  EXPECT_LE(overhead({.block_m = 192,
                      .num_stages = 4,
                      .math_warpgroups = 3,
                      .cluster_n = 2,
                      .staging_chunks = 2,
                      .grouped = true}),
            35);
}

// ptxas alternates promotion FFMAs that yield with ones that reuse an operand, so that another
// warp's wgmma can start in between; it does so only above 256 threads a CTA.
TEST(MainLoop, PromotionYieldsToOtherWarps) {
  const SassLoop loop =
      innermost_wgmma_loop(code_of({.block_m = 256, .num_stages = 4, .cluster_n = 2}));
  EXPECT_GT(loop.yielding_ffma, loop.ffma * 2 / 5);
  EXPECT_LT(loop.yielding_ffma, loop.ffma * 3 / 5);
}

TEST(MainLoop, NoKernelTouchesLocalMemory) {
  for (const GemmConfig& config : {
           GemmConfig{.block_m = 256, .num_stages = 4, .cluster_n = 2},
           GemmConfig{.skeleton = device::gemm::Skeleton::kStream,
           .block_m = 64,
           .block_n = 32,
           .num_stages = 14,
           .split_k = 2,
           .max_k_blocks = 28},
           GemmConfig{.block_m = 256, .num_stages = 4, .cluster_n = 2, .grouped = true},
           GemmConfig{.block_m = 32,
           .block_n = 256,
           .num_stages = 6,
           .grouped = true,
           .swap_operands = true},
       }) {
    for (const SassInstruction& i : code_of(config)) ASSERT_FALSE(i.is_local_memory());
  }
}

}  // namespace
}  // namespace fathom::test
