// The reference against cases worked by hand, its metadata rules, and the generator of problems.
#include "reference/gemm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "reference/problem_data.hpp"
#include "reference/tolerance.hpp"
#include "support/fp8.hpp"
#include "support/half.hpp"

namespace fathom::reference {
namespace {

using Form = Groups::Form;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void set_row(const ProblemData& data, const TensorView& view, std::int64_t row,
             const std::vector<float>& values) {
  ASSERT_EQ(view.dtype, DType::kE4M3);
  ASSERT_EQ(static_cast<std::int64_t>(values.size()), data.problem().k);
  auto* codes = static_cast<std::uint8_t*>(view.data) + row * view.stride[view.rank - 2];
  for (std::size_t i = 0; i < values.size(); ++i) codes[i] = support::e4m3_from_float(values[i]);
}

TEST(ReferenceGemm, HandWorkedProduct) {
  ProblemData data({.m = 2, .n = 2, .k = 3, .out = DType::kFp32});
  set_row(data, data.operands().a, 0, {1, 2, 3});
  set_row(data, data.operands().a, 1, {-1, 0.5, 448});
  set_row(data, data.operands().b, 0, {4, -5, 6});
  set_row(data, data.operands().b, 1, {0, 1, 0.25});
  auto* scale_a = static_cast<float*>(data.operands().scale_a.data);  // rows contiguous
  scale_a[0] = 2.0f;
  scale_a[1] = -1.0f;
  *static_cast<float*>(data.operands().scale_b.data) = 0.5f;
  std::vector<double> out(4);
  gemm_fp64(data.problem(), data.operands(), out.data());
  // row 0: (4 - 10 + 18) and (2 + 0.75), by 2 * 0.5; row 1: (-4 - 2.5 + 2688) and (0.5 + 112), by
  // -1 * 0.5
  EXPECT_THAT(out, ElementsAre(12.0, 2.75, -1340.75, -56.25));
  gemm_magnitude(data.problem(), data.operands(), out.data());
  EXPECT_THAT(out, ElementsAre(32.0, 2.75, 1347.25, 56.25));
  gemm(data.problem(), data.operands());
  const auto* d = static_cast<const float*>(data.operands().d.data);
  EXPECT_EQ(d[0], 12.0f);
  EXPECT_EQ(d[data.problem().d.row_stride + 1], -56.25f);
  EXPECT_EQ(data.d_damage(), "");
}

TEST(ReferenceGemm, ScalesChangeEvery128OfKAndTheLastCoversTheTail) {
  ProblemData data({.m = 1, .n = 130, .k = 257, .out = DType::kFp32});
  set_row(data, data.operands().a, 0, std::vector<float>(257, 1.0f));
  for (int row = 0; row < 130; ++row)
    set_row(data, data.operands().b, row, std::vector<float>(257, 1.0f));
  auto* scale_a = static_cast<float*>(data.operands().scale_a.data);  // [1, 3], columns 4 apart
  for (int block = 0; block < 3; ++block) scale_a[block * 4] = std::ldexp(1.0f, block);
  auto* scale_b = static_cast<float*>(data.operands().scale_b.data);  // [2, 3], k contiguous
  for (int i = 0; i < 6; ++i) scale_b[i] = i < 3 ? 1.0f : 10.0f;
  std::vector<double> out(130);
  gemm_fp64(data.problem(), data.operands(), out.data());
  EXPECT_EQ(out[127], 128 * 1 + 128 * 2 + 1 * 4);
  EXPECT_EQ(out[128], 10 * (128 * 1 + 128 * 2 + 1 * 4));
}

TEST(ReferenceGemm, KOfZeroGivesZerosOrLeavesTheSum) {
  for (const bool accumulate : {false, true}) {
    ProblemData data({.m = 3, .n = 5, .k = 0, .out = DType::kFp32, .accumulate = accumulate});
    std::vector<float> before(15);
    std::memcpy(before.data(), data.operands().d.data, 5 * sizeof(float));
    gemm(data.problem(), data.operands());
    const auto* d = static_cast<const float*>(data.operands().d.data);
    for (std::size_t col = 0; col < 5; ++col) EXPECT_EQ(d[col], accumulate ? before[col] : 0.0f);
  }
}

/// row_groups of a form with the given metadata.
std::vector<std::int32_t> rows_of(Form form, std::vector<std::int64_t> index, std::int64_t m,
                                  std::int64_t groups, std::int64_t alignment = 16) {
  std::vector<std::int32_t> narrow(index.begin(), index.end());
  Groups metadata;
  metadata.form = form;
  metadata.index.data = narrow.data();
  metadata.index.dtype = DType::kInt32;
  metadata.index.rank = 1;
  metadata.index.shape[0] = static_cast<std::int64_t>(index.size());
  metadata.index.stride[0] = 1;
  plan::GemmProblem problem;
  problem.form = form;
  problem.m = m;
  problem.num_groups = groups;
  problem.alignment = alignment;
  return row_groups(problem, metadata);
}

std::string refusal(Form form, std::vector<std::int64_t> index, std::int64_t m, std::int64_t groups,
                    std::int64_t alignment = 16) {
  try {
    rows_of(form, std::move(index), m, groups, alignment);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(RowGroups, EachFormByHand) {
  EXPECT_THAT(rows_of(Form::kOffsets, {0, 2, 2, 3}, 5, 3), ElementsAre(0, 0, 2, -1, -1));
  EXPECT_THAT(rows_of(Form::kOffsets, {1, 2}, 3, 1), ElementsAre(-1, 0, -1));
  EXPECT_THAT(rows_of(Form::kMasked, {1, 0, 2}, 2, 3), ElementsAre(0, -1, -1, -1, 2, 2));
  EXPECT_THAT(rows_of(Form::kNone, {}, 2, 1), ElementsAre(0, 0));
  std::vector<std::int64_t> by_row(16, 1);
  by_row.insert(by_row.end(), 16, -1);
  by_row.insert(by_row.end(), {0, 0, -1});
  EXPECT_EQ(rows_of(Form::kRowGroup, by_row, 35, 2),
            std::vector<std::int32_t>(by_row.begin(), by_row.end()));
  const auto ends = rows_of(Form::kGroupEnd, {3, 16, 20}, 20, 3);  // starts 0, 16, 16
  EXPECT_EQ(ends[2], 0);
  EXPECT_EQ(ends[3], -1);
  EXPECT_EQ(ends[16], 2);
  EXPECT_EQ(rows_of(Form::kGroupEnd, {3, 3, 20}, 20, 3)[16],
            2);  // an empty group may repeat the end before it
}

TEST(RowGroups, BrokenRulesAreNamed) {
  EXPECT_THAT(refusal(Form::kOffsets, {0, 3, 2}, 5, 2),
              HasSubstr("offsets[2] is 2, less than offsets[1] = 3"));
  EXPECT_THAT(refusal(Form::kOffsets, {0, 3, 9}, 5, 2),
              HasSubstr("offsets[2] is 9, but a has 5 rows"));
  EXPECT_THAT(refusal(Form::kOffsets, {-1, 3}, 5, 1), HasSubstr("offsets[0] is -1"));
  EXPECT_THAT(refusal(Form::kMasked, {1, 3}, 2, 2), HasSubstr("rows[1] is 3"));
  EXPECT_THAT(refusal(Form::kMasked, {-1, 0}, 2, 2), HasSubstr("rows[0] is -1"));
  EXPECT_THAT(refusal(Form::kRowGroup, {0, 2}, 2, 2),
              HasSubstr("row_group[1] is 2; with 2 groups"));
  EXPECT_THAT(refusal(Form::kRowGroup, {-2}, 1, 2), HasSubstr("row_group[0] is -2"));
  EXPECT_THAT(refusal(Form::kRowGroup, {0, 0, 1}, 3, 2),
              HasSubstr("row_group[2] is 1 and row_group[1] is 0"));
  EXPECT_THAT(refusal(Form::kRowGroup, {0, -1, 0}, 3, 2),
              HasSubstr("rows of -1 may only stand at its end"));
  EXPECT_THAT(refusal(Form::kGroupEnd, {20, 21}, 64, 2),
              HasSubstr("group_end[1] is 21, but the group starts at row 32"));
  EXPECT_THAT(refusal(Form::kGroupEnd, {20, 65}, 64, 2),
              HasSubstr("group_end[1] is 65, but a has 64 rows"));
}

TEST(ProblemData, DealsAllRowsAndTheReferencePassesItsOwnTolerance) {
  for (const Form form :
       {Form::kNone, Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    for (const DataKind kind : {DataKind::kRandom, DataKind::kExact, DataKind::kOutliers}) {
      ProblemSpec spec{
          .form = form, .m = 75, .n = 65, .k = 300, .num_groups = form == Form::kNone ? 1 : 5};
      spec.alignment = 32;
      spec.data = kind;
      spec.spare_rows = 5;
      spec.extra_pitch = 16;
      spec.zero_padding = form == Form::kRowGroup;
      ProblemData data(spec);
      const auto valid =
          std::count_if(data.groups().begin(), data.groups().end(), [](auto g) { return g >= 0; });
      EXPECT_TRUE(form == Form::kMasked || valid == 75) << valid;
      const std::size_t size = static_cast<std::size_t>(data.d_rows() * spec.n);
      std::vector<double> exact(size), magnitude(size);
      gemm_fp64(data.problem(), data.operands(), exact.data());
      gemm_magnitude(data.problem(), data.operands(), magnitude.data());
      gemm(data.problem(), data.operands());
      const Tolerance tolerance = tolerance_of(spec.out, Backend::kReference);
      const Comparison result = compare(data.problem(), data.groups(), data.operands().d,
                                        exact.data(), magnitude.data(), tolerance);
      EXPECT_TRUE(result.passed) << result.text(data.problem(), tolerance, "reference");
      EXPECT_EQ(result.elements, valid * spec.n);
      EXPECT_EQ(data.d_damage(), "");
    }
  }
}

TEST(ProblemData, ReportsDamage) {
  ProblemData data(
      {.form = Form::kOffsets, .m = 4, .n = 3, .k = 16, .num_groups = 2, .spare_rows = 2});
  auto* d = static_cast<std::uint16_t*>(data.operands().d.data);
  const std::int64_t pitch = data.problem().d.row_stride;
  d[4 * pitch + 1] = 0;
  EXPECT_THAT(data.d_damage(), HasSubstr("D[4, 1] was written"));
  data.reset_d();
  d[3] = 0;
  EXPECT_THAT(data.d_damage(), HasSubstr("padding after row 0"));
  data.reset_d();
  d[-1] = 0;
  EXPECT_THAT(data.d_damage(), HasSubstr("before D"));
}

TEST(Compare, NamesTheWrongElements) {
  ProblemData data({.m = 8, .n = 8, .k = 128, .out = DType::kFp32, .data = DataKind::kExact});
  std::vector<double> exact(64), magnitude(64);
  gemm_fp64(data.problem(), data.operands(), exact.data());
  gemm_magnitude(data.problem(), data.operands(), magnitude.data());
  gemm(data.problem(), data.operands());
  const Tolerance tolerance = tolerance_of(DType::kFp32, Backend::kCpu);
  auto* d = static_cast<float*>(data.operands().d.data);
  for (const int row : {2, 3, 4}) d[row * data.problem().d.row_stride + 5] += 1.0f;
  d[7 * data.problem().d.row_stride] = std::numeric_limits<float>::quiet_NaN();
  const Comparison result = compare(data.problem(), data.groups(), data.operands().d, exact.data(),
                                    magnitude.data(), tolerance);
  EXPECT_FALSE(result.passed);
  EXPECT_THAT(result.wrong_rows, ElementsAre(2, 3, 4, 7));
  EXPECT_THAT(result.wrong_cols, ElementsAre(0, 5));
  EXPECT_THAT(result.text(data.problem(), tolerance, "c"),
              HasSubstr("wrong rows (4): 2-4, 7; wrong columns (2): 0, 5"));
}

}  // namespace
}  // namespace fathom::reference
