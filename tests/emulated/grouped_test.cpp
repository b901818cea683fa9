// The grouped kernels in the emulator against the reference: every form of metadata, rows of nobody
// full of NaN patterns, canaries around and inside D.
#include <gtest/gtest.h>

#include <vector>

#include "emulated/gemm_case.hpp"
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
};

const Family kFamilies[] = {
    {"TwoWaves", &kGroupedTwoWaves},       {"PairM", &kGroupedPairM},
    {"ScaleB1", &kGroupedScaleB1},         {"Swapped", &kGroupedSwapped},
    {"SwappedPair", &kGroupedSwappedPair},
};

class EmulatedGrouped : public ::testing::TestWithParam<Family> {
 protected:
  static void check(ProblemSpec spec, int max_ctas, std::uint64_t seeds) {
    const EmulatedKernel& kernel = *GetParam().kernel;
    spec.data = DataKind::kExact;
    if (kernel.config.scale_b == device::gemm::ScaleB::k1x128)
      spec.scale_b_block = plan::ScaleBBlock::k1x128;
    GemmCase test(kernel, spec, {.max_ctas = max_ctas});
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const EmulatedResult result = test.run(seed);
      ASSERT_TRUE(result.passed()) << result.text() << "schedule " << seed;
    }
  }
};

TEST_P(EmulatedGrouped, Offsets) {
  for (const bool wide : {false, true})
    check({.form = Form::kOffsets,
           .n = 200,
           .k = 300,
           .num_groups = 5,
           .index = {3, 3, 70, 71, 71, 340},
           .index_is_int64 = wide,
           .spare_rows = 9},
          4, 3);
}

TEST_P(EmulatedGrouped, ManyGroupsMostlyEmpty) {
  std::vector<std::int64_t> offsets(101, 0);
  for (std::size_t g = 1; g < offsets.size(); ++g)
    offsets[g] = offsets[g - 1] + (g % 13 == 0 ? static_cast<std::int64_t>(g) : g == 70 ? 1 : 0);
  check({.form = Form::kOffsets, .n = 40, .k = 130, .num_groups = 100, .index = offsets}, 2, 2);
}

TEST_P(EmulatedGrouped, RowGroup) {
  for (const int alignment : {16, 128})
    for (const bool zeros : {false, true})
      check({.form = Form::kRowGroup,
             .m = 300,
             .n = 121,
             .k = 260,
             .num_groups = 4,
             .alignment = alignment,
             .zero_padding = zeros,
             .spare_rows = 130},
            3, 2);
}

/// A run of blocks of one group over the border of two windows of the scan.
TEST_P(EmulatedGrouped, LongRunsOfBlocks) {
  std::vector<std::int64_t> rows(16 * 70, 2);
  for (std::size_t i = 0; i < 48; ++i) rows[i] = 0;
  for (std::size_t i = 16 * 66 + 3; i < rows.size(); ++i) rows[i] = -1;
  check(
      {.form = Form::kRowGroup, .n = 72, .k = 128, .num_groups = 3, .alignment = 16, .index = rows},
      4, 1);
}

/// Gaps of many windows, in the middle and at the end.
TEST_P(EmulatedGrouped, LongGaps) {
  std::vector<std::int64_t> rows(16 * 1000, -1);
  for (std::size_t i = 0; i < 20; ++i) rows[i] = 1;
  for (std::size_t i = 16 * 500; i < 16 * 503; ++i) rows[i] = 2;
  check(
      {.form = Form::kRowGroup, .n = 40, .k = 100, .num_groups = 3, .alignment = 16, .index = rows},
      2, 1);
}

TEST_P(EmulatedGrouped, GroupEnd) {
  check({.form = Form::kGroupEnd,
         .n = 136,
         .k = 300,
         .num_groups = 4,
         .alignment = 64,
         .index = {65, 65, 140, 193},
         .scale_a_order = ScaleOrder::kKContiguous},
        3, 3);
}

TEST_P(EmulatedGrouped, Masked) {
  for (const std::int64_t max_m : {8, 70}) {
    check({.form = Form::kMasked,
           .m = max_m,
           .n = 150,
           .k = 300,
           .num_groups = 6,
           .index = {max_m, 0, 1, 0, max_m - 1, 3}},
          3, 2);
  }
}

/// Metadata against its rules: wrong rows of D at worst, no access outside, no hang.
TEST_P(EmulatedGrouped, BrokenMetadata) {
  const auto broken = [](ProblemSpec spec, const std::vector<std::int64_t>& index) {
    const EmulatedKernel& kernel = *GetParam().kernel;
    if (kernel.config.scale_b == device::gemm::ScaleB::k1x128)
      spec.scale_b_block = plan::ScaleBBlock::k1x128;
    GemmCase test(kernel, spec, {.max_ctas = 3});
    const emulator::Report report = test.run_with_index(index, 1);
    EXPECT_TRUE(report.clean()) << report.text();
  };
  broken({.form = Form::kOffsets, .n = 72, .k = 130, .num_groups = 4, .index = {0, 9, 40, 40, 90}},
         {-5, 70, 20, 1000, 30});
  broken({.form = Form::kMasked, .m = 40, .n = 72, .k = 130, .num_groups = 3, .index = {3, 0, 40}},
         {1 << 30, -7, 41});
  std::vector<std::int64_t> rows(96, 1);
  ProblemSpec blocks{
      .form = Form::kRowGroup, .n = 72, .k = 130, .num_groups = 3, .alignment = 32, .index = rows};
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i % 7 == 0 ? -1 : i % 5 == 0 ? 77 : 2;
  broken(blocks, rows);
}

TEST_P(EmulatedGrouped, NoRowsAtAll) {
  check({.form = Form::kMasked, .m = 32, .n = 64, .k = 128, .num_groups = 3, .index = {0, 0, 0}}, 4,
        1);
}

INSTANTIATE_TEST_SUITE_P(Families, EmulatedGrouped, ::testing::ValuesIn(kFamilies),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace fathom::testing
