// Every config of the closed set, forced by its name on shapes that it can compute.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "device/cases.hpp"
#include "device/checked_run.hpp"
#include "device/summary.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::testing {
namespace {

using device::gemm::Output;
using device::gemm::ScaleB;

/// The case that makes the planner accept this config.
GpuCase case_for(const plan::GemmConfig& config, const Shape& shape, reference::DataKind data) {
  GpuCase c{.m = shape.m, .n = shape.n, .k = shape.k, .data = data};
  c.out = config.output == Output::kFp32 ? DType::kFp32 : DType::kBf16;
  c.scale_b_block =
      config.scale_b == ScaleB::k1x128 ? plan::ScaleBBlock::k1x128 : plan::ScaleBBlock::k128x128;
  return c;
}

int run_config(const plan::GemmConfig& config) {
  int ran = 0;
  for (const Shape& shape : config_shapes()) {
    for (const reference::DataKind data :
         {reference::DataKind::kRandom, reference::DataKind::kExact}) {
      GpuCase gpu_case = case_for(config, shape, data);
      gpu_case.accumulate = gpu_case.out == DType::kFp32 && ran % 2 == 1;
      GpuProblem problem(Oracle::instance(), gpu_case);
      GemmOptions options = problem.options();
      options.config = plan::gemm_tag(config);
      if (can_implement(Oracle::instance().context(), problem.operands(), options)) continue;
      run_and_judge(problem, options);
      ++ran;
    }
  }
  return ran;
}

TEST(ConfigsDevice, EachIsForcedByName) {
  constexpr int kFewestRuns =
      8;  // 4 shapes with 2 kinds of data: a config that computes less is never exercised
  int configs = 0, runs = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    const int ran = run_config(config);
    EXPECT_GE(ran, kFewestRuns) << plan::gemm_tag(config)
                                << " refuses nearly all shapes of this test";
    ++configs;
    runs += ran;
  }
  const auto all = static_cast<int>(plan::gemm_configs().size());
  EXPECT_EQ(configs, all);
  EXPECT_GE(runs, all * kFewestRuns);
  Summary::instance().note(
      "forced", fmt::format("{} configs x shapes x data = {} runs, at least {} wanted", configs,
                            runs, all * kFewestRuns));
}

// Short, for runs under a tool that slows the GPU by orders of magnitude: tails of m, n and k, more
// than one tile of each group of columns, and, on two SMs, several tiles for each CTA.
TEST(SanitizerDevice, EveryConfig) {
  int configs = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    GpuProblem problem(Oracle::instance(),
                       case_for(config, {130, 296, 440}, reference::DataKind::kRandom));
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    options.max_sms = std::max(2, config.cluster_size());
    run_and_judge(problem, options);
    ++configs;
  }
  EXPECT_EQ(configs, static_cast<int>(plan::gemm_configs().size()));
}

}  // namespace
}  // namespace fathom::testing
