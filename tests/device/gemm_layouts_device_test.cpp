// Layouts and forms of the operands: pitches, orders of the scales, 1x128 scales of b, fp32,
// accumulation, empty extents.
#include <gtest/gtest.h>

#include "device/checked_run.hpp"
#include "device/summary.hpp"

namespace fathom::testing {
namespace {

using reference::DataKind;
using reference::ScaleOrder;

TEST(LayoutsDevice, EveryCombination) {
  for (const auto& [m, n, k] :
       {std::tuple<int, int, int>{5, 40, 300}, {130, 264, 520}, {1030, 584, 1100}}) {
    for (int bits = 0; bits < 32; ++bits) {
      for (const DataKind data : {DataKind::kRandom, DataKind::kExact}) {
        const GpuCase gpu_case{.m = m,
                               .n = n,
                               .k = k,
                               .data = data,
                               .out = (bits & 1) != 0 ? DType::kFp32 : DType::kBf16,
                               .scale_b_block = (bits & 2) != 0 ? plan::ScaleBBlock::k1x128
                                                                : plan::ScaleBBlock::k128x128,
                               .scale_a_order = (bits & 4) != 0 ? ScaleOrder::kKContiguous
                                                                : ScaleOrder::kRowsContiguous,
                               .scale_b_order = (bits & 8) != 0 ? ScaleOrder::kRowsContiguous
                                                                : ScaleOrder::kKContiguous,
                               .extra_pitch = (bits & 16) != 0 ? 48 : 0,
                               .seed = static_cast<std::uint64_t>(bits + 1)};
        GpuProblem problem(Oracle::instance(), gpu_case);
        run_and_judge(problem, problem.options());
      }
      if (HasFailure()) return;
    }
  }
}

TEST(LayoutsDevice, Accumulates) {
  for (const auto& [m, n, k] :
       {std::tuple<int, int, int>{1, 8, 16}, {64, 2112, 7168}, {1000, 576, 2112}}) {
    for (const DataKind data : {DataKind::kRandom, DataKind::kExact}) {
      GpuProblem problem(
          Oracle::instance(),
          {.m = m, .n = n, .k = k, .data = data, .out = DType::kFp32, .accumulate = true});
      run_and_judge(problem, problem.options());
    }
  }
}

TEST(LayoutsDevice, EmptyK) {
  GpuProblem zero(Oracle::instance(), {.m = 33, .n = 20, .k = 0});
  run_and_judge(zero, zero.options());
  GpuProblem unchanged(Oracle::instance(),
                       {.m = 33, .n = 20, .k = 0, .out = DType::kFp32, .accumulate = true});
  run_and_judge(unchanged, unchanged.options());
}

// Short, for runs under a tool that slows the GPU by orders of magnitude.
TEST(SanitizerDevice, NamedList) {
  const GpuCase cases[] = {
      {.m = 1, .n = 8, .k = 16},
      {.m = 65, .n = 136, .k = 300},
      {.m = 257, .n = 264, .k = 520, .extra_pitch = 16},
      {.m = 130, .n = 200, .k = 260, .out = DType::kFp32, .accumulate = true},
      {.m = 64, .n = 2112, .k = 1024, .scale_a_order = ScaleOrder::kKContiguous},
      {.m = 300, .n = 256, .k = 384, .scale_b_block = plan::ScaleBBlock::k1x128}};
  for (const GpuCase& gpu_case : cases) {
    GpuProblem problem(Oracle::instance(), gpu_case);
    run_and_judge(problem, problem.options());
  }
}

}  // namespace
}  // namespace fathom::testing
