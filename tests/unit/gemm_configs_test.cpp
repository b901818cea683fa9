// The closed set of GEMM kernels: legal, unique, within its budget; the text that is compiled. No
// GPU.
#include "plan/gemm_configs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "gemm/smem.hpp"

namespace fathom::plan {
namespace {

using device::gemm::Output;
using device::gemm::ScaleB;
using ::testing::HasSubstr;

TEST(GemmConfigs, EachIsLegalAndHasItsOwnTag) {
  std::set<std::string> tags;
  for (const GemmConfig& config : gemm_configs()) {
    const char* reason = device::gemm::why_illegal(config);
    EXPECT_EQ(reason, nullptr) << gemm_tag(config) << ": " << reason;
    EXPECT_FALSE(config.bounded_waits) << "debug kernels are not part of the set";
    EXPECT_TRUE(tags.insert(gemm_tag(config)).second) << gemm_tag(config) << " stands twice";
  }
}

TEST(GemmConfigs, LeaveRoomForOtherFamilies) {
  EXPECT_GE(gemm_configs().size(), 60u);
  EXPECT_LE(gemm_configs().size(), 185u) << "200 kernels over all families";
}

TEST(GemmConfigs, NoTwoDifferOnlyInTheSizeOfTheirScaleTable) {
  // The larger table serves all that the smaller does; a smaller one must buy a deeper ring.
  for (const GemmConfig& a : gemm_configs()) {
    for (const GemmConfig& b : gemm_configs()) {
      if (a.max_k_blocks >= b.max_k_blocks) continue;
      GemmConfig widened = a;
      widened.max_k_blocks = b.max_k_blocks;
      EXPECT_NE(widened, b) << gemm_tag(a) << " is " << gemm_tag(b);
    }
  }
}

TEST(GemmConfigs, TagFindsItsConfig) {
  for (const GemmConfig& config : gemm_configs())
    EXPECT_EQ(find_gemm_config(gemm_tag(config)), config) << gemm_tag(config);
  EXPECT_EQ(find_gemm_config("256x128"), std::nullopt);
  EXPECT_EQ(find_gemm_config(""), std::nullopt);
}

TEST(GemmConfigs, BoundedTagFindsTheDebugKernel) {
  const GemmConfig first = gemm_configs().front();
  const auto bounded = find_gemm_config(gemm_tag(first) + "_bounded");
  ASSERT_TRUE(bounded.has_value());
  EXPECT_TRUE(bounded->bounded_waits);
  EXPECT_EQ(gemm_tag(*bounded), gemm_tag(first) + "_bounded");
}

TEST(GemmConfigs, CoverEveryOutputAndScaleFormWithoutBoundsOnK) {
  for (const Output output : {Output::kBf16, Output::kFp32}) {
    for (const ScaleB scale_b : {ScaleB::k128x128, ScaleB::k1x128}) {
      bool alone = false;
      for (const GemmConfig& c : gemm_configs())
        alone |= c.output == output && c.scale_b == scale_b && !c.stream() && c.cluster_size() == 1;
      EXPECT_TRUE(alone) << "one SM and a long k have no kernel";
    }
  }
}

TEST(GemmConfigs, SpanTheTilesOfTheDesign) {
  std::set<int> heights, widths, clusters;
  for (const GemmConfig& c : gemm_configs()) {
    if (c.grouped) continue;
    heights.insert(c.block_m);
    widths.insert(c.block_n);
    clusters.insert(c.cluster_size());
    EXPECT_EQ(c.block_n % 8, 0) << gemm_tag(c);
  }
  EXPECT_THAT(heights, ::testing::ElementsAre(64, 128, 192, 256));
  EXPECT_TRUE(widths.contains(112)) << "the textbook case: 7168 columns over 132 SMs";
  EXPECT_TRUE(clusters.contains(1) && clusters.contains(2));
}

TEST(GemmConfigs, ServeGroupsOfEverySize) {
  std::set<int> heights;
  bool alone = false, per_row = false;
  for (const GemmConfig& c : gemm_configs()) {
    if (!c.grouped) continue;
    heights.insert(c.block_m);
    alone |= c.cluster_size() == 1 && c.scale_b == ScaleB::k128x128;
    per_row |= c.cluster_size() == 1 && c.scale_b == ScaleB::k1x128;
    EXPECT_TRUE(c.block_m >= 64 || c.swap_operands) << gemm_tag(c);
  }
  EXPECT_TRUE(alone && per_row) << "one SM has no kernel";
  EXPECT_LE(*heights.begin(), 16) << "a decode step gives an expert few rows";
  EXPECT_EQ(*heights.rbegin(), 256);
}

TEST(GemmSource, IsThisText) {
  const GemmConfig config{.num_stages = 5, .cluster_n = 2, .staging_chunks = 2};
  EXPECT_EQ(gemm_source(config), R"(#include "gemm/kernel.cuh"
inline constexpr fathom::device::gemm::Config kConfig{
    .skeleton = fathom::device::gemm::Skeleton::kCompute,
    .block_m = 128,
    .block_n = 128,
    .strip_n = 0,
    .num_stages = 5,
    .math_warpgroups = 2,
    .cluster_m = 1,
    .cluster_n = 2,
    .split_k = 1,
    .ctas_per_sm = 1,
    .max_k_blocks = 0,
    .staging_chunks = 2,
    .output = fathom::device::gemm::Output::kBf16,
    .scale_b = fathom::device::gemm::ScaleB::k128x128,
    .grouped = false,
    .whole_laps = false,
    .swap_operands = false,
    .bounded_waits = false};
extern "C" __global__ void __launch_bounds__(kConfig.num_threads(), kConfig.ctas_per_sm)
fp8_gemm_128x128_w2_s5_cn2_d2_bf16(const __grid_constant__ fathom::device::gemm::Params params) {
  extern __shared__ __align__(1024) unsigned char smem[];
  fathom::device::gemm::Kernel<kConfig>::run(params, smem);
}
)");
}

TEST(GemmSource, DiffersForEveryConfigAndNamesItsKernel) {
  std::set<std::string> sources;
  for (const GemmConfig& config : gemm_configs()) {
    const std::string source = gemm_source(config);
    EXPECT_TRUE(sources.insert(source).second) << gemm_tag(config);
    EXPECT_THAT(source, HasSubstr("\nfp8_gemm_" + gemm_tag(config) + "("));
    EXPECT_EQ(gemm_kernel_name(config), "fp8_gemm_" + gemm_tag(config));
  }
}

}  // namespace
}  // namespace fathom::plan
