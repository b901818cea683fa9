// The load balancer through the C ABI.
#include <fathom/c_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/balance_problems.hpp"

namespace fathom {
namespace {

using testing::HasSubstr;
using testing_support::PublishedSample;

struct PlanDeleter {
  void operator()(fathom_balance_plan* plan) const { fathom_balance_plan_destroy(plan); }
};
using PlanHandle = std::unique_ptr<fathom_balance_plan, PlanDeleter>;

fathom_balance_args sample_args(const PublishedSample& sample) {
  fathom_balance_args args{};
  args.struct_size = sizeof args;
  args.loads = sample.loads.data();
  args.layers = 2;
  args.experts = PublishedSample::kExperts;
  args.num_replicas = 16;
  args.num_groups = 4;
  args.num_nodes = 2;
  args.num_gpus = 8;
  return args;
}

PlanHandle create(const fathom_balance_args& args) {
  fathom_balance_plan* plan = nullptr;
  EXPECT_EQ(fathom_balance_plan_create(&args, &plan), FATHOM_OK) << fathom_last_error_message();
  return PlanHandle(plan);
}

void expect_refused(const fathom_balance_args& args, const std::string& message) {
  fathom_balance_plan* plan = nullptr;
  EXPECT_EQ(fathom_balance_plan_create(&args, &plan), FATHOM_INVALID_ARGUMENT);
  EXPECT_THAT(fathom_last_error_message(), HasSubstr(message));
  EXPECT_EQ(plan, nullptr);
}

TEST(BalanceCApi, PlansThePublishedSample) {
  const PublishedSample sample;
  fathom_balance_args args = sample_args(sample);
  args.policy = FATHOM_BALANCE_PUBLISHED;
  const PlanHandle plan = create(args);
  std::int64_t max_count = 0;
  ASSERT_EQ(fathom_balance_plan_max_count(plan.get(), &max_count), FATHOM_OK);
  EXPECT_EQ(max_count, 2);
  const std::int64_t *phy2log = nullptr, *log2phy = nullptr, *logcnt = nullptr;
  ASSERT_EQ(fathom_balance_plan_tables(plan.get(), &phy2log, &log2phy, &logcnt), FATHOM_OK);
  EXPECT_EQ(std::vector<std::int64_t>(phy2log, phy2log + 32), sample.phy2log);
  EXPECT_EQ(logcnt[5], 2);
  EXPECT_EQ(log2phy[5 * 2 + 1], 2);
}

TEST(BalanceCApi, ChangesAPlan) {
  const PublishedSample sample;
  fathom_balance_args args = sample_args(sample);
  args.current = sample.phy2log.data();
  args.flags = FATHOM_BALANCE_LIMIT_MOVES;
  args.max_moves = 2;
  const PlanHandle plan = create(args);
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    fathom_balance_report report{};
    report.struct_size = sizeof report;
    ASSERT_EQ(fathom_balance_plan_report(plan.get(), layer, &report), FATHOM_OK);
    EXPECT_LE(report.moves, 2);
    EXPECT_LE(report.bound, report.max_load);
    std::vector<fathom_balance_transfer> transfers(2);
    std::int64_t count = -1;
    ASSERT_EQ(
        fathom_balance_plan_transfers(plan.get(), layer, nullptr, transfers.data(), 2, &count),
        FATHOM_OK);
    EXPECT_EQ(count, report.moves);
    std::vector<std::int32_t> table(8 * 12 * 2, -2);
    ASSERT_EQ(fathom_balance_plan_router_table(plan.get(), layer, table.data()), FATHOM_OK);
    for (const std::int32_t slot : table) EXPECT_TRUE(slot >= -1 && slot < 16);
    EXPECT_GE(table[0], 0);
  }
  fathom_balance_report report{};
  EXPECT_EQ(fathom_balance_plan_report(plan.get(), 0, &report), FATHOM_INVALID_ARGUMENT);
  report.struct_size = sizeof report;
  EXPECT_EQ(fathom_balance_plan_report(plan.get(), 2, &report), FATHOM_INVALID_ARGUMENT);
}

TEST(BalanceCApi, RefusesWhatHasNoMeaning) {
  const PublishedSample sample;
  const fathom_balance_args good = sample_args(sample);
  fathom_balance_args args = good;
  args.struct_size = 0;
  expect_refused(args, "set it to sizeof(fathom_balance_args)");
  args = good;
  args.loads = nullptr;
  expect_refused(args, "loads is NULL");
  args = good;
  args.layers = std::int64_t{1} << 62;
  expect_refused(args, "loads is [4611686018427387904, 12]");
  args = good;
  args.max_moves = 3;
  expect_refused(args, "FATHOM_BALANCE_LIMIT_MOVES");
  args = good;
  args.policy = 7;
  expect_refused(args, "policy is 7");
  args = good;
  args.num_replicas = 17;
  expect_refused(args, "no multiple of num_gpus");
  args = good;
  args.flags = 64;
  expect_refused(args, "flags are 0x40");
  EXPECT_EQ(fathom_balance_plan_create(&good, nullptr), FATHOM_INVALID_ARGUMENT);
  const PlanHandle plan = create(good);
  std::int64_t count = 0;
  EXPECT_EQ(fathom_balance_plan_transfers(plan.get(), 0, nullptr, nullptr, 0, &count),
            FATHOM_INVALID_ARGUMENT);
  EXPECT_THAT(fathom_last_error_message(), HasSubstr("without a current placement"));
  fathom_balance_plan_destroy(nullptr);
}

// The layout is the ABI.
TEST(BalanceCApi, HasAStableLayout) {
  EXPECT_EQ(offsetof(fathom_balance_args, current), 80u);
  EXPECT_EQ(offsetof(fathom_balance_args, flags), 112u);
  EXPECT_EQ(sizeof(fathom_balance_report), 48u);
  EXPECT_EQ(sizeof(fathom_balance_links), 40u);
  EXPECT_EQ(sizeof(fathom_balance_transfer), 32u);
}

}  // namespace
}  // namespace fathom
