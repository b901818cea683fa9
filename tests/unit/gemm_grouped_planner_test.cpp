// The planner on groups: tiles by expected rows, swapped operands, hints, and what it says. No GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "plan/gemm_planner.hpp"
#include "plan/gemm_range.hpp"
#include "support/gemm_problems.hpp"

namespace fathom::plan {
namespace {

using fathom::testing::grouped_problem;
using ::testing::HasSubstr;
using ::testing::Not;
using Form = Groups::Form;

const DeviceSpec kH200{};

GemmConfig chosen(const GemmProblem& problem) {
  return plan_gemm(problem, kH200).config;
}

TEST(GemmGroupedPlanner, FewRowsAGroupSwapTheOperands) {
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    for (const std::int64_t rows : {1, 8, 20, 32}) {
      const std::int64_t m = form == Form::kOffsets  ? 32 * rows
                             : form == Form::kMasked ? 256
                                                     : 32 * 128;
      const GemmConfig config = chosen(grouped_problem(form, 32, m, 4096, 7168, rows));
      // 64 rows cost the same on either side of wgmma.
      EXPECT_TRUE(config.swap_operands || rows == 32) << rows << " rows: " << gemm_tag(config);
      EXPECT_LE(config.block_m, 64) << rows << " rows: " << gemm_tag(config);
    }
  }
}

TEST(GemmGroupedPlanner, ABlockIsOfOneGroup) {
  // Eight blocks of 128 rows, full: no more than eight groups, of however many, have rows.
  for (const Form form : {Form::kRowGroup, Form::kGroupEnd}) {
    const GemmPlan plan = plan_gemm(grouped_problem(form, 256, 1024, 4096, 7168), kH200);
    EXPECT_EQ(plan.work.groups, 8);
    EXPECT_EQ(plan.config, chosen(grouped_problem(form, 8, 1024, 4096, 7168)));
    // Fewer rows expected than there are: padding.
    EXPECT_GT(plan_gemm(grouped_problem(form, 256, 32768, 4096, 7168, 4), kH200).work.groups, 200);
  }
  EXPECT_GT(plan_gemm(grouped_problem(Form::kOffsets, 256, 1024, 4096, 7168), kH200).work.groups,
            200);
}

TEST(GemmGroupedPlanner, ManyRowsAGroupTakeTheLargeTiles) {
  for (const Form form : {Form::kOffsets, Form::kMasked}) {
    const std::int64_t m = form == Form::kMasked ? 8192 : 4 * 8192;
    const GemmConfig config = chosen(grouped_problem(form, 4, m, 4096, 7168));
    EXPECT_FALSE(config.swap_operands) << gemm_tag(config);
    EXPECT_GE(config.block_m, 192);
  }
}

TEST(GemmGroupedPlanner, TheHintCountsAndNeverBeyondTheRowsThereAre) {
  // A masked buffer for the worst case, and 20 rows in fact.
  const GemmProblem told = grouped_problem(Form::kMasked, 32, 4096, 4096, 7168, 20);
  EXPECT_EQ(chosen(told), chosen(grouped_problem(Form::kMasked, 32, 256, 4096, 7168, 20)));
  EXPECT_NE(chosen(told), chosen(grouped_problem(Form::kMasked, 32, 4096, 4096, 7168)));
  // Contiguous rows: the worst case for a graph, told what to expect.
  EXPECT_EQ(chosen(grouped_problem(Form::kOffsets, 64, 1 << 20, 4096, 7168, 8)),
            chosen(grouped_problem(Form::kOffsets, 64, 512, 4096, 7168)));
  EXPECT_EQ(chosen(grouped_problem(Form::kOffsets, 64, 512, 4096, 7168, 1 << 20)),
            chosen(grouped_problem(Form::kOffsets, 64, 512, 4096, 7168)));
}

TEST(GemmGroupedPlanner, SaysWhatItExpectedAndWhy) {
  const GemmPlan few = plan_gemm(grouped_problem(Form::kMasked, 32, 256, 4096, 7168, 20), kH200);
  EXPECT_THAT(why_text(few), HasSubstr("told to expect 20 rows in each of 32 groups"));
  EXPECT_THAT(why_text(few), HasSubstr("operands swapped"));
  const auto json = nlohmann::json::parse(plan_json(few));
  EXPECT_EQ(json["config"]["swap_ab"], true);
  EXPECT_EQ(json["expected"]["groups"], 32);
  EXPECT_EQ(json["expected"]["rows"], 640);
  EXPECT_EQ(json["expected"]["hinted"], true);
  const GemmPlan many = plan_gemm(grouped_problem(Form::kOffsets, 4, 32768, 4096, 7168), kH200);
  EXPECT_THAT(why_text(many), HasSubstr("without a hint expecting 8192 rows in each of 4 groups"));
  EXPECT_THAT(why_text(many), Not(HasSubstr("operands swapped")));
}

TEST(GemmGroupedPlanner, OnlyGroupedKernelsServeGroups) {
  for (const GemmCandidate& c :
       plan_gemm(grouped_problem(Form::kOffsets, 4, 100, 576, 300), kH200).candidates)
    EXPECT_TRUE(c.config.grouped);
  GemmProblem fp32 = grouped_problem(Form::kOffsets, 4, 100, 576, 300);
  fp32.out = DType::kFp32;
  EXPECT_THROW(plan_gemm(fp32, kH200), Error);
}

TEST(GemmGroupedPlanner, TheGridIsForTheMostTilesThatThereCanBe) {
  // 256 experts, 8 rows expected in all, and every one of the 4096 rows possible.
  const GemmPlan plan = plan_gemm(grouped_problem(Form::kOffsets, 256, 4096, 7168, 2048, 1), kH200);
  EXPECT_EQ(plan.launch.grid / plan.launch.cluster, 132 / plan.launch.cluster);
  EXPECT_TRUE(plan.launches());
  // Without blocks of k the rows of groups still become zero, and only the kernel knows which.
  EXPECT_TRUE(plan_gemm(grouped_problem(Form::kOffsets, 2, 64, 64, 0), kH200).launches());
  EXPECT_FALSE(plan_gemm(grouped_problem(Form::kOffsets, 2, 0, 64, 64), kH200).launches());
}

TEST(GemmGroupedPlanner, ServesEverySmCountAndBothScaleForms) {
  for (int sms = 1; sms <= 132; ++sms) {
    GemmProblem p = grouped_problem(Form::kMasked, 9, 64, 4096, 7168);
    p.max_sms = sms;
    EXPECT_LE(plan_gemm(p, kH200).launch.grid, sms);
    p.scale_b_block = ScaleBBlock::k1x128;
    EXPECT_LE(plan_gemm(p, kH200).launch.grid, sms);
  }
}

TEST(GemmGroupedPlanner, TheRangeListsWhatIsChosen) {
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    const bool masked = form == Form::kMasked;
    GemmRange range{.form = form, .n = 7168, .k = 2048, .num_groups = 8, .max_m = 400};
    if (!masked) range.max_m *= range.num_groups;
    const std::vector<GemmConfig> listed = configs_for(range, kH200);
    EXPECT_GE(listed.size(), 3u);
    const auto expect_listed = [&](std::int64_t m, std::int64_t hint) {
      const GemmConfig config = chosen(grouped_problem(form, 8, m, range.n, range.k, hint));
      EXPECT_NE(std::find(listed.begin(), listed.end(), config), listed.end())
          << static_cast<int>(form) << ": " << m << " rows, hint " << hint << ": "
          << gemm_tag(config);
    };
    for (std::int64_t m = 1; m <= range.max_m; m += masked ? 7 : 53) expect_listed(m, 0);
    // Hints, in buffers of as many rows and of more.
    for (std::int64_t hint = 1; hint <= 400; hint += 7)
      for (const std::int64_t times : {1, 2, 16})
        expect_listed((masked ? 1 : 8) * hint * times, hint);
  }
}

}  // namespace
}  // namespace fathom::plan
