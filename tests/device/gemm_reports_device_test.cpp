// Dense products that other libraries fell over, as users reported them in the threads of DeepGEMM:
// each on every config that can compute it.
#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>

#include "device/checked_run.hpp"
#include "device/summary.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::testing {
namespace {

/// Every config by its name that can compute `gpu_case`, and the planned one.
void run_on_every_config(const GpuCase& gpu_case) {
  GpuProblem problem(Oracle::instance(), gpu_case);
  run_and_judge(problem, problem.options());
  int configs = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    if (can_implement(Oracle::instance().context(), problem.operands(), options)) continue;
    run_and_judge(problem, options);
    ++configs;
  }
  EXPECT_GE(configs, 5) << gpu_case.text();
  Summary::instance().count("reported shapes");
}

TEST(DenseReportsDevice, InferenceShapes) {
  const GpuCase cases[] = {{.m = 32, .n = 8192, .k = 8192},
                           {.m = 64, .n = 16, .k = 8192},
                           {.m = 2048, .n = 576, .k = 7168},
                           {.m = 300, .n = 7168, .k = 1152},
                           {.m = 200, .n = 7168, .k = 576},  // the gradient of 7168 -> 576
                           // As many scales as rows, which are no multiple of four.
                           {.m = 7, .n = 2112, .k = 1024},
                           {.m = 9, .n = 2112, .k = 1024},
                           {.m = 4097, .n = 520, .k = 512}};
  for (const GpuCase& gpu_case : cases) run_on_every_config(gpu_case);
}

// Products that accumulate a gradient of the weights: both operands with 1x128 scales.
TEST(DenseReportsDevice, WeightGradients) {
  for (const auto& [m, n, k] :
       {std::tuple<std::int64_t, std::int64_t, std::int64_t>{1536, 256, 2048},
        {1538, 256, 2048},
        {512, 1024, 147'456}})
    run_on_every_config({.m = m,
                         .n = n,
                         .k = k,
                         .out = DType::kFp32,
                         .scale_b_block = plan::ScaleBBlock::k1x128,
                         .accumulate = true});
}

// D of 2.7e9 elements.
TEST(LargeDevice, ManyRowsAndColumnsOnEveryConfig) {
  run_on_every_config({.m = 73'728, .n = 36'864, .k = 128});
}

}  // namespace
}  // namespace fathom::testing
