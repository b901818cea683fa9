// The machine code of the main loops. At m = 4096 the card is at its power cap, and instructions
// around the tensor work cost twice: a change that adds some must not go by unseen.
#include <gtest/gtest.h>

#include <string>

#include "compile/sass.hpp"
#include "compile/wheels.hpp"
#include "jit/builder.hpp"
#include "jit/ffma_runs.hpp"
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
  EXPECT_EQ(loop.ffma, config.num_stages * config.waves() * config.tile_cols() / 2);
  return static_cast<double>(loop.instructions - loop.ffma) / config.num_stages;
}

TEST(MainLoop, OfTwoWavesStaysLean) {
  const GemmConfig config{.block_m = 256, .num_stages = 4, .cluster_n = 2};
  EXPECT_LE(overhead(config), 52);  // 50.25 with NVRTC 13.0; DeepGEMM's loop has 64
}

TEST(MainLoop, OfStripsStaysLean) {
  const GemmConfig config{.block_m = 256, .strip_n = 8, .num_stages = 4, .cluster_n = 2};
  EXPECT_LE(overhead(config), 56);  // 54.25 with NVRTC 13.0: a factor more for each of four rows
}

TEST(MainLoop, OfThreeWarpgroupsStaysLean) {
  const GemmConfig config{
      .block_m = 192, .num_stages = 4, .math_warpgroups = 3, .cluster_n = 2, .staging_chunks = 2};
  EXPECT_LE(overhead(config), 34);  // 32 with NVRTC 13.0
}

// All of a tile is one loop, its store and the walk to the next included.
TEST(MainLoop, OfResidentTilesStaysLean) {
  const GemmConfig config{.skeleton = device::gemm::Skeleton::kResident,
                          .block_m = 64,
                          .num_stages = 4,
                          .math_warpgroups = 3,
                          .staging_chunks = 2};
  EXPECT_LE(overhead(config), 80);  // 76 with NVRTC 13.0
  EXPECT_EQ(innermost_wgmma_loop(code_of(config)).one_bank_ffma, 0);
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

// What jit/ffma_runs.hpp makes of the compiler's code, old and new: runs of eight.
TEST(MainLoop, PromotionOfTwoWavesIsInRuns) {
  const GemmConfig config{.block_m = 256, .num_stages = 4, .cluster_n = 2};
  const std::string name = plan::gemm_kernel_name(config);
  const std::string source = plan::gemm_source(config);
  for (const int cuda_major : {12, 13}) {
    SCOPED_TRACE(cuda_major);
    jit::CompileOutput output = wheel_compiler(cuda_major)
                                    ->compile({name, source, embedded::device_sources(), "sm_90a",
                                               jit::BuilderOptions().options});
    ASSERT_TRUE(output.ok) << output.log;
    ASSERT_GT(jit::set_ffma_runs(output.image, jit::ffma_runs_wanted(source)), 0);
    const SassLoop loop = innermost_wgmma_loop(sass_of(output.image, name));
    EXPECT_GE(loop.yielding_ffma, loop.ffma / 8);
    EXPECT_LE(loop.yielding_ffma, loop.ffma / 4) << "a lone FFMA yields too";
  }
}

// Registers have two banks. Under register pressure ptxas puts sum, product and factor of many
// FFMAs into one, which costs 2.5 % at k = 16384 (docs/kernels/gemm.md, section 7).
TEST(MainLoop, PromotionReadsBothRegisterBanks) {
  const GemmConfig configs[] = {
      {.block_m = 256, .num_stages = 4, .cluster_n = 2},
      {.block_m = 256, .num_stages = 4},
      {.block_m = 192, .num_stages = 4, .math_warpgroups = 3, .cluster_n = 2, .staging_chunks = 2},
      {.block_m = 192, .num_stages = 4, .math_warpgroups = 3, .staging_chunks = 2},
      {.block_m = 192,
       .num_stages = 4,
       .math_warpgroups = 3,
       .cluster_n = 2,
       .staging_chunks = 2,
       .whole_laps = true},
      {.block_m = 192,
       .num_stages = 4,
       .math_warpgroups = 3,
       .staging_chunks = 2,
       .whole_laps = true}};
  for (const GemmConfig& config : configs)
    EXPECT_EQ(innermost_wgmma_loop(code_of(config)).one_bank_ffma, 0) << plan::gemm_tag(config);
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
