// The closed set of GEMM kernels, compiled for sm_90a by the wheels alone: what ptxas says of each,
// and what their PTX holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "compile/wheels.hpp"
#include "gemm/smem.hpp"
#include "jit/builder.hpp"
#include "plan/gemm_configs.hpp"
#include "plan/quantize_configs.hpp"

namespace fathom::plan {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

jit::CompileOutput compile(jit::Nvrtc& nvrtc, const std::string& name, const std::string& source,
                           std::string_view architecture = "sm_90a") {
  static const jit::BuilderOptions options;
  return nvrtc.compile({name, source, embedded::device_sources(), architecture, options.options});
}

jit::CompileOutput compile(jit::Nvrtc& nvrtc, const GemmConfig& config,
                           std::string_view architecture = "sm_90a") {
  return compile(nvrtc, gemm_kernel_name(config), gemm_source(config), architecture);
}

/// Both compilers, loaded once for all tests of this process.
jit::Nvrtc& nvrtc_of(int cuda_major) {
  static const std::shared_ptr<jit::Nvrtc> twelve = test::wheel_compiler(12);
  static const std::shared_ptr<jit::Nvrtc> thirteen = test::wheel_compiler(13);
  return cuda_major == 12 ? *twelve : *thirteen;
}

void expect_clean(const jit::CompileOutput& output, int most_registers) {
  ASSERT_TRUE(output.ok) << output.log;
  const jit::ResourceUse use = jit::parse_resource_use(output.log);
  EXPECT_EQ(use.spill_bytes, 0);
  EXPECT_EQ(use.stack_bytes, 0);
  EXPECT_GT(use.registers, 0) << output.log;
  EXPECT_LE(use.registers, most_registers);
  // wgmma serialised or waits injected (C7508, C7510, C7511, C7514, C7515, C7517), setmaxnreg
  // ignored: ptxas says so in these words.
  for (const char* complaint :
       {"C75", "wgmma", "Potential Performance Loss", "setmaxnreg", "warning"}) {
    EXPECT_THAT(output.log, Not(HasSubstr(complaint)));
  }
}

/// Programmatic dependent launch: every thread waits for the kernel before, ahead of all that reads
/// or writes global memory; the exceptions are prefetches into L2. Where the loading warp has a
/// path of its own, each of the two paths waits; that it does so ahead of its accesses is what the
/// emulator sees to.
void expect_dependent_launch(const std::string& ptx, int paths) {
  const std::size_t wait = ptx.find("griddepcontrol.wait;");
  ASSERT_NE(wait, std::string::npos);
  int waits = 0;
  for (std::size_t at = wait; at != std::string::npos; ++waits)
    at = ptx.find("griddepcontrol.wait;", at + 1);
  EXPECT_EQ(waits, paths) << "one a path";
  EXPECT_NE(ptx.find("griddepcontrol.launch_dependents;", wait), std::string::npos);
  for (const char* access :
       {"cp.async.bulk.tensor.2d.shared::cluster", "cp.async.bulk.tensor.2d.global",
        "cp.reduce.async.bulk", "cp.async.ca", "ld.global", "ld.relaxed.gpu.global", "st.global"}) {
    EXPECT_GT(ptx.find(access), wait) << access << " stands before the wait";
  }
  // A field of the config that does not fold is read from global memory, ahead of the first load.
  EXPECT_THAT(ptx, Not(ContainsRegex("ld\\.global[.a-z0-9]*[ \t]+%[a-z0-9]+, \\[[A-Za-z_]")));
}

class ClosedSet : public ::testing::TestWithParam<std::string> {
 protected:
  GemmConfig config() const { return *find_gemm_config(GetParam()); }
};

TEST_P(ClosedSet, CompilesCleanWithCuda13) {
  expect_clean(compile(nvrtc_of(13), config()), config().launch_registers());
}

TEST_P(ClosedSet, CompilesCleanWithCuda12) {
  expect_clean(compile(nvrtc_of(12), config()), config().launch_registers());
}

TEST_P(ClosedSet, HoldsTheInstructionsItIsMadeOf) {
  const jit::CompileOutput output = compile(nvrtc_of(13), config(), "compute_90a");
  ASSERT_TRUE(output.ok) << output.log;
  const std::string& ptx = output.image;
  EXPECT_THAT(ptx, HasSubstr(".entry " + gemm_kernel_name(config())));
  expect_dependent_launch(ptx, config().resident() ? 1 : 2);
  EXPECT_THAT(
      ptx, ContainsRegex("wgmma\\.mma_async\\.sync\\.aligned\\.m64n[0-9]+k32\\.f32\\.e4m3\\.e4m3"));
  EXPECT_THAT(ptx, ContainsRegex("cp\\.async\\.bulk\\.tensor\\.[0-9]d\\.shared::cluster\\.global"));
  const auto stores = ContainsRegex("cp\\.async\\.bulk\\.tensor\\.[0-9]d\\.global\\.shared::cta");
  if (config().tma_store()) {
    EXPECT_THAT(ptx, stores);
  } else {
    EXPECT_THAT(ptx, Not(stores));
  }
  const auto multicasts = HasSubstr(".multicast::cluster");
  if (config().cluster_m * config().cluster_n > 1) {
    EXPECT_THAT(ptx, multicasts);
  } else if (config().split_k == 1) {
    EXPECT_THAT(ptx, Not(multicasts));
  }
}

std::vector<std::string> all_tags() {
  std::vector<std::string> tags;
  for (const GemmConfig& config : gemm_configs()) tags.push_back(gemm_tag(config));
  return tags;
}

INSTANTIATE_TEST_SUITE_P(Gemm, ClosedSet, ::testing::ValuesIn(all_tags()),
                         [](const auto& info) { return info.param; });

TEST(CastKernels, CompileCleanWithBoth) {
  constexpr int kMostRegisters = 255;  // of any thread (sm_90)
  for (const QuantizeConfig& config : quantize_configs()) {
    for (const int cuda_major : {12, 13}) {
      SCOPED_TRACE(quantize_tag(config) + " with CUDA " + std::to_string(cuda_major));
      expect_clean(
          compile(nvrtc_of(cuda_major), quantize_kernel_name(config), quantize_source(config)),
          kMostRegisters);
    }
  }
}

TEST(CastKernels, WaitForThePreviousKernel) {
  for (const QuantizeConfig& config : quantize_configs()) {
    SCOPED_TRACE(quantize_tag(config));
    const jit::CompileOutput output =
        compile(nvrtc_of(13), quantize_kernel_name(config), quantize_source(config), "compute_90a");
    ASSERT_TRUE(output.ok) << output.log;
    expect_dependent_launch(output.image, 1);
  }
}

// The kernels that wait with a limit, for finding a hang.
TEST(BoundedKernel, OfEverySkeletonCompiles) {
  bool seen[3] = {};
  for (const GemmConfig& config : gemm_configs()) {
    if (std::exchange(seen[static_cast<int>(config.skeleton)], true)) continue;
    const auto bounded = find_gemm_config(gemm_tag(config) + "_bounded");
    ASSERT_TRUE(bounded);
    const jit::CompileOutput output = compile(nvrtc_of(13), *bounded);
    EXPECT_TRUE(output.ok) << output.log;
  }
  EXPECT_TRUE(seen[0] && seen[1] && seen[2]);
}

struct Illegal {
  const char* what;
  GemmConfig config;
};

std::vector<Illegal> illegal_configs() {
  const auto changed = [](auto change) {
    GemmConfig config;
    change(config);
    return config;
  };
  using C = GemmConfig;
  return {
      {"width_not_of_wgmma", changed([](C& c) { c.block_n = 100; })},
      {"width_above_256", changed([](C& c) { c.block_n = 264; })},
      {"one_stage", changed([](C& c) { c.num_stages = 1; })},
      {"more_stages_than_shared_memory", changed([](C& c) { c.num_stages = 12; })},
      {"rows_do_not_match_warpgroups", changed([](C& c) { c.block_m = 192; })},
      {"accumulators_exceed_registers", changed([](C& c) {
         c.block_m = 256;
         c.block_n = 256;
         c.num_stages = 2;
       })},
      {"cluster_of_three", changed([](C& c) { c.cluster_n = 3; })},
      {"pair_both_ways", changed([](C& c) { c.cluster_m = c.cluster_n = 2; })},
      {"split_k_in_the_compute_skeleton", changed([](C& c) { c.split_k = 2; })},
  };
}

class IllegalConfig : public ::testing::TestWithParam<Illegal> {};

TEST_P(IllegalConfig, DoesNotCompileAndSaysWhichRule) {
  ASSERT_NE(device::gemm::why_illegal(GetParam().config), nullptr);
  const jit::CompileOutput output = compile(nvrtc_of(13), GetParam().config);
  EXPECT_FALSE(output.ok);
  EXPECT_THAT(output.log, AllOf(HasSubstr("static assertion failed"), HasSubstr("why_illegal")));
}

INSTANTIATE_TEST_SUITE_P(Gemm, IllegalConfig, ::testing::ValuesIn(illegal_configs()),
                         [](const auto& info) { return info.param.what; });

}  // namespace
}  // namespace fathom::plan
