// Every config of the closed set, forced by its name on shapes that it can compute.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

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
    if (config.grouped) continue;  // grouped_*_device_test.cpp
    const int ran = run_config(config);
    EXPECT_GE(ran, kFewestRuns) << plan::gemm_tag(config)
                                << " refuses nearly all shapes of this test";
    ++configs;
    runs += ran;
  }
  const auto all = static_cast<int>(std::ranges::count_if(
      plan::gemm_configs(), [](const plan::GemmConfig& config) { return !config.grouped; }));
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
    if (config.grouped) continue;
    GpuProblem problem(Oracle::instance(),
                       case_for(config, {130, 264, 440}, reference::DataKind::kRandom));
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    options.max_sms = std::max(2, config.cluster_size());
    run_and_judge(problem, options);
    ++configs;
  }
  EXPECT_GT(configs, 60);
}

/// D's rows of a problem, with the padding of their pitch.
std::vector<unsigned char> rows_of(const GpuProblem& problem) {
  const TensorView& d = problem.operands().d;
  const auto bytes = static_cast<std::size_t>(d.shape[0] * d.stride[0] * size_of(d.dtype));
  const auto guard =
      static_cast<std::size_t>(problem.d_memory().bytes() - static_cast<std::int64_t>(bytes)) / 2;
  std::vector<unsigned char> all(bytes + 2 * guard);
  problem.d_memory().download(all.data(), static_cast<std::int64_t>(all.size()));
  return {all.begin() + static_cast<std::ptrdiff_t>(guard),
          all.end() - static_cast<std::ptrdiff_t>(guard)};
}

/// Runs every config that adds up all of k in one order, of `kind`'s output and scales, and expects
/// D to be the first rows of `wanted`. An empty `wanted` becomes D. Returns the number of runs.
int expect_one_arithmetic(const plan::GemmConfig& kind, const Shape& shape,
                          std::vector<unsigned char>& wanted) {
  GpuProblem problem(Oracle::instance(), case_for(kind, shape, reference::DataKind::kRandom));
  cuda::Buffer first(Oracle::instance().device(), problem.d_memory().bytes());
  int runs = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    if (config.k_parts() > 1 || config.output != kind.output || config.scale_b != kind.scale_b)
      continue;
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    options.batch_invariant = true;
    if (can_implement(Oracle::instance().context(), problem.operands(), options)) continue;
    run_and_judge(problem, options);
    if (runs++ == 0) {
      const std::vector<unsigned char> rows = rows_of(problem);
      if (wanted.empty()) wanted = rows;
      EXPECT_TRUE(std::equal(rows.begin(), rows.end(), wanted.begin()))
          << problem.description().text() << " by " << options.config
          << ": the rows differ from those of a larger m";
      std::vector<unsigned char> all(static_cast<std::size_t>(first.bytes()));
      problem.d_memory().download(all.data(), first.bytes());
      first.upload(all.data(), first.bytes());
    }
    EXPECT_TRUE(Oracle::instance().same_bytes(problem.d_memory(), first))
        << problem.description().text() << ": " << options.config
        << " gives other bits than the configs before it";
  }
  return runs;
}

// What batch_invariant relies on: the planner may take any of these configs for a row, whatever m.
TEST(ConfigsDevice, WithoutPartsOfKAllGiveTheSameBits) {
  const plan::GemmConfig kinds[] = {{},
                                    {.output = Output::kFp32},
                                    {.scale_b = ScaleB::k1x128},
                                    {.output = Output::kFp32, .scale_b = ScaleB::k1x128}};
  const Shape weights[] = {{0, 24, 100}, {0, 584, 1152}, {0, 2112, 7168}};
  int runs = 0;
  for (const plan::GemmConfig& kind : kinds) {
    for (const Shape& weight : weights) {
      std::vector<unsigned char> rows;
      for (const std::int64_t m : {300, 193, 129, 65, 64, 9, 1})
        runs += expect_one_arithmetic(kind, {m, weight.n, weight.k}, rows);
      if (::testing::Test::HasFailure()) return;
    }
  }
  Summary::instance().note("one arithmetic", fmt::format("{} runs agree to the last bit", runs));
}

}  // namespace
}  // namespace fathom::testing
