// Plans and kernels that are found again by the problem.
#include "api/gemm_memo.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace fathom::api {
namespace {

plan::GemmProblem small_problem() {
  plan::GemmProblem problem;
  problem.m = 64;
  problem.n = 128;
  problem.k = 256;
  return problem;
}

PlannedGemm planned(const char* tag) {
  PlannedGemm result;
  result.tag = tag;
  return result;
}

TEST(GemmMemo, FindsWhatWasKeptForTheSameProblemAndDevice) {
  GemmMemo memo;
  const plan::GemmProblem problem = small_problem();
  EXPECT_FALSE(memo.find(problem, 0));
  memo.keep(problem, 0, planned("first"));
  memo.keep(problem, 1, planned("second"));
  ASSERT_TRUE(memo.find(problem, 0));
  EXPECT_EQ(memo.find(problem, 0)->tag, "first");
  EXPECT_EQ(memo.find(problem, 1)->tag, "second");
  EXPECT_FALSE(memo.find(problem, 2));
  memo.keep(problem, 0, planned("later"));
  EXPECT_EQ(memo.find(problem, 0)->tag, "later");
}

TEST(GemmMemo, TellsProblemsApartByEveryField) {
  using Change = std::function<void(plan::GemmProblem&)>;
  const std::vector<Change> changes = {
      [](plan::GemmProblem& p) { p.form = Groups::Form::kMasked; },
      [](plan::GemmProblem& p) { ++p.m; },
      [](plan::GemmProblem& p) { ++p.n; },
      [](plan::GemmProblem& p) { ++p.k; },
      [](plan::GemmProblem& p) { ++p.num_groups; },
      [](plan::GemmProblem& p) { ++p.alignment; },
      [](plan::GemmProblem& p) { ++p.expected_m; },
      [](plan::GemmProblem& p) { p.index_is_int64 = true; },
      [](plan::GemmProblem& p) { p.scale_b_block = plan::ScaleBBlock::k1x128; },
      [](plan::GemmProblem& p) { p.out = DType::kFp32; },
      [](plan::GemmProblem& p) { ++p.a.row_stride; },
      [](plan::GemmProblem& p) { ++p.a.group_stride; },
      [](plan::GemmProblem& p) { ++p.scale_a.col_stride; },
      [](plan::GemmProblem& p) { ++p.b.row_stride; },
      [](plan::GemmProblem& p) { ++p.scale_b.row_stride; },
      [](plan::GemmProblem& p) { ++p.d.row_stride; },
      [](plan::GemmProblem& p) { p.scale_a_aligned = true; },
      [](plan::GemmProblem& p) { p.scale_b_aligned = true; },
      [](plan::GemmProblem& p) { p.accumulate = true; },
      [](plan::GemmProblem& p) { p.batch_invariant = true; },
      [](plan::GemmProblem& p) { p.zero_padding = true; },
      [](plan::GemmProblem& p) { p.max_sms = 8; },
      [](plan::GemmProblem& p) { p.config = "tag"; },
  };
  const plan::GemmProblem problem = small_problem();
  GemmMemo memo;
  memo.keep(problem, 0, planned("kept"));
  for (std::size_t i = 0; i < changes.size(); ++i) {
    plan::GemmProblem other = problem;
    changes[i](other);
    EXPECT_FALSE(memo.find(other, 0)) << "change " << i;
  }
}

TEST(GemmMemo, StaysWithinItsSize) {
  GemmMemo memo;
  plan::GemmProblem problem = small_problem();
  for (std::size_t i = 0; i <= GemmMemo::kMostKinds; ++i) {
    problem.m = static_cast<std::int64_t>(i);
    memo.keep(problem, 0, planned("kept"));
  }
  EXPECT_TRUE(memo.find(problem, 0));
  problem.m = 0;
  EXPECT_FALSE(memo.find(problem, 0));  // dropped with the others when the last one came
}

}  // namespace
}  // namespace fathom::api
