// Every GEMM kernel that is built into the emulator, under many schedules.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "emulated/emulated_gemm.hpp"

namespace fathom::testing {
namespace {

using device::gemm::Output;
using device::gemm::ScaleB;
using Form = Groups::Form;

class EmulatedGemm : public ::testing::TestWithParam<plan::GemmConfig> {};

reference::ProblemSpec spec_for(const plan::GemmConfig& config) {
  reference::ProblemSpec spec;
  spec.out = config.output == Output::kFp32 ? DType::kFp32 : DType::kBf16;
  spec.scale_b_block =
      config.scale_b == ScaleB::k1x128 ? plan::ScaleBBlock::k1x128 : plan::ScaleBBlock::k128x128;
  return spec;
}

GemmOptions options_for(const plan::GemmConfig& config) {
  GemmOptions options;
  options.config = plan::gemm_tag(config);
  return options;
}

/// One tile of a cluster, or one for each of two groups, and two blocks of k: the least that a
/// kernel can do.
reference::ProblemSpec smallest(const plan::GemmConfig& config) {
  reference::ProblemSpec spec = spec_for(config);
  spec.m = 1, spec.n = 16, spec.k = 256;
  if (config.grouped) spec.form = Form::kOffsets, spec.num_groups = 2, spec.index = {0, 1, 2};
  return spec;
}

/// Tails of m, n and k, and tiles enough that one cluster takes several and its ring wraps; rows in
/// groups by each form of metadata.
std::vector<reference::ProblemSpec> with_tails(const plan::GemmConfig& config) {
  reference::ProblemSpec spec = spec_for(config);
  spec.m = config.block_m * config.cluster_m + 3;
  spec.n = config.block_n * config.cluster_n + 5;
  spec.k = 3 * 128 + 40;
  if (!config.grouped) return {spec};
  spec.num_groups = 3, spec.alignment = 16, spec.spare_rows = 5;
  std::vector<reference::ProblemSpec> specs;
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    spec.form = form;
    specs.push_back(spec);
  }
  return specs;
}

TEST_P(EmulatedGemm, EverySchedule) {
  const plan::GemmConfig& config = GetParam();
  EmulatedProduct product(smallest(config), options_for(config));
  std::set<std::uint64_t> schedules;
  for (int seed = 1; seed <= num_seeds(); ++seed) {
    const EmulatedRun run = product.run(static_cast<std::uint64_t>(seed));
    ASSERT_EQ(run.wrong, "") << "schedule seed " << seed;
    schedules.insert(run.trace_hash);
  }
  EXPECT_EQ(schedules.size(), static_cast<std::size_t>(num_seeds()));
}

TEST_P(EmulatedGemm, TailsAndSeveralTiles) {
  const plan::GemmConfig& config = GetParam();
  GemmOptions options = options_for(config);
  options.max_sms = config.cluster_size();
  for (reference::ProblemSpec spec : with_tails(config)) {
    SCOPED_TRACE(fmt::format("form {}", static_cast<int>(spec.form)));
    for (const reference::DataKind data :
         {reference::DataKind::kExact, reference::DataKind::kRandom}) {
      spec.data = data;
      // Scales that no copy engine can fetch.
      if (data == reference::DataKind::kRandom)
        spec.scale_a_order = reference::ScaleOrder::kKContiguous;
      spec.accumulate = spec.out == DType::kFp32 && data == reference::DataKind::kExact;
      options.accumulate = spec.accumulate;
      const EmulatedRun run = EmulatedProduct(spec, options).run(1);
      EXPECT_EQ(run.wrong, "");
      EXPECT_EQ(run.config, options.config);
    }
  }
}

TEST_P(EmulatedGemm, OneSeedIsOneSchedule) {
  const plan::GemmConfig& config = GetParam();
  const auto hash = [&](std::uint64_t seed) {
    return EmulatedProduct(smallest(config), options_for(config)).run(seed).trace_hash;
  };
  EXPECT_EQ(hash(5), hash(5));
  EXPECT_NE(hash(5), hash(6));
}

INSTANTIATE_TEST_SUITE_P(Kernels, EmulatedGemm, ::testing::ValuesIn(emulated_configs()),
                         [](const auto& info) { return plan::gemm_tag(info.param); });

}  // namespace
}  // namespace fathom::testing
