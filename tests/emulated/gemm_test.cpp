// Every kernel family in the emulator against the reference, under many schedules.
#include <gtest/gtest.h>

#include <set>

#include "emulated/emulated_gemm.hpp"
#include "emulated/kernels.hpp"

namespace fathom::testing {
namespace {

using reference::DataKind;
using reference::ProblemSpec;
using reference::ScaleOrder;
using Form = Groups::Form;

struct Family {
  const char* name;
  const EmulatedKernel* kernel;
  ProblemSpec small;
};

std::vector<Family> families() {
  return {
      {"Compute128x128", &kCompute128x128, {.m = 129, .n = 136, .k = 300}},
      {"ComputeTwoWaves", &kComputeTwoWaves, {.m = 257, .n = 264, .k = 300}},
      // One strip and six columns of the next.
      {"ComputeStrip", &kComputeStrip, {.m = 257, .n = 270, .k = 300}},
      {"ComputeThree", &kComputeThree, {.m = 193, .n = 200, .k = 300}},
      {"ComputeFp32",
       &kComputeFp32,
       {.m = 65, .n = 40, .k = 300, .out = DType::kFp32, .accumulate = true}},
      {"ComputeScaleB1",
       &kComputeScaleB1,
       {.m = 129,
        .n = 72,
        .k = 300,
        .scale_b_block = plan::ScaleBBlock::k1x128,
        .out = DType::kFp32,
        .accumulate = true}},
      {"ComputeWholeLaps", &kComputeWholeLaps, {.m = 129, .n = 264, .k = 700}},
      // Runs of 7 and 8 tiles over columns of 4: every warpgroup meets both orders.
      {"Resident", &kResident, {.m = 195, .n = 900, .k = 500}},
      // Columns of one tile: of most of them a warpgroup has none.
      {"ResidentNarrow", &kResidentNarrow, {.m = 60, .n = 900, .k = 300}},
      {"Swapped", &kSwapped, {.m = 41, .n = 200, .k = 300}},
      {"StreamAlone", &kStreamAlone, {.m = 9, .n = 72, .k = 700}},
      {"StreamTurns", &kStreamTurns, {.m = 9, .n = 84, .k = 700}},
      // Two blocks of k for four warpgroups: two of them multiply nothing.
      {"StreamFourTurns", &kStreamFourTurns, {.m = 130, .n = 300, .k = 130}},
      {"StreamSplit", &kStreamSplit, {.m = 100, .n = 117, .k = 900}},
      {"StreamSplitTurns", &kStreamSplitTurns, {.m = 33, .n = 136, .k = 700, .out = DType::kFp32}},
      {"GroupedTwoWaves",
       &kGroupedTwoWaves,
       {.form = Form::kOffsets, .m = 300, .n = 264, .k = 200, .num_groups = 3}},
      // Tiles of 192 rows of which one or two warpgroups have none: they pass over whole laps.
      {"GroupedWholeLaps",
       &kGroupedWholeLaps,
       {.form = Form::kOffsets, .m = 700, .n = 100, .k = 500, .num_groups = 4}},
      {"GroupedPairM",
       &kGroupedPairM,
       {.form = Form::kRowGroup,
        .m = 300,
        .n = 100,
        .k = 200,
        .num_groups = 3,
        .alignment = 64,
        .zero_padding = true,
        .spare_rows = 70}},
      {"GroupedScaleB1",
       &kGroupedScaleB1,
       {.form = Form::kGroupEnd,
        .m = 150,
        .n = 72,
        .k = 200,
        .num_groups = 5,
        .alignment = 16,
        .scale_b_block = plan::ScaleBBlock::k1x128}},
      {"GroupedSwapped",
       &kGroupedSwapped,
       {.form = Form::kMasked, .m = 40, .n = 200, .k = 200, .num_groups = 3}},
      {"GroupedSwappedPair",
       &kGroupedSwappedPair,
       {.form = Form::kOffsets,
        .m = 60,
        .n = 300,
        .k = 200,
        .num_groups = 7,
        .index_is_int64 = true}},
  };
}

class EmulatedFamily : public ::testing::TestWithParam<Family> {};

TEST_P(EmulatedFamily, IsRightUnderManySchedules) {
  const int seeds_an_order = (num_seeds() + 1) / 2;
  std::set<std::uint64_t> traces;
  for (const auto order : {ScaleOrder::kRowsContiguous, ScaleOrder::kKContiguous}) {
    ProblemSpec spec = GetParam().small;
    spec.data = DataKind::kExact;
    spec.scale_a_order = spec.scale_b_order = order;
    const bool programmatic = order == ScaleOrder::kKContiguous;
    GemmCase test(*GetParam().kernel, spec, {.max_ctas = 4, .programmatic = programmatic});
    for (int seed = 1; seed <= seeds_an_order; ++seed) {
      const EmulatedResult result = test.run(static_cast<std::uint64_t>(seed));
      ASSERT_TRUE(result.passed()) << result.text();
      traces.insert(result.report.trace_hash);
    }
  }
  EXPECT_EQ(traces.size(), static_cast<std::size_t>(2 * seeds_an_order));
}

INSTANTIATE_TEST_SUITE_P(Families, EmulatedFamily, ::testing::ValuesIn(families()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace fathom::testing
