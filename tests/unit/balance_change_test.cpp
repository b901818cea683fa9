// The better policy with a current placement: how much it moves, and what it reaches with that.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fathom/balance.hpp>
#include <utility>

#include "plan/balance_exchange.hpp"
#include "plan/balance_keep.hpp"
#include "support/balance_plans.hpp"

namespace fathom {
namespace {

using balance::LayerReport;
using balance::Plan;
using balance::Policy;
using testing_support::BalanceCase;
using testing_support::expect_rules;
using testing_support::kForever;
using testing_support::kRounding;
using testing_support::plan_of;
using testing_support::random_case;
using testing_support::text_of;

TEST(BalanceChange, KeepsToTheLimitOfMoves) {
  for (int seed = 0; seed < 1000; ++seed) {
    support::Random random(seed);
    BalanceCase c = random_case(random, 2, 4, 5);
    SCOPED_TRACE(text_of(c, seed));
    const Plan before = plan_of(c, Policy::kBetter);
    EXPECT_EQ(plan_of(c, Policy::kBetter, before.phy2log, 0).phy2log, before.phy2log);
    c.loads = testing_support::random_loads(random, c.experts);
    const auto kept = balance::gpu_loads(c.view(), c.deployment, before.phy2log);
    const double without_moves = *std::max_element(kept.begin(), kept.end());
    for (const int limit : {0, 1, 3, 10}) {
      const Plan after = plan_of(c, Policy::kBetter, before.phy2log, limit);
      expect_rules(c, after);
      EXPECT_LE(after.reports[0].moves, limit);
      // Taking a duplicate apart is worth some load, up to the published plan's.
      if (after.reports[0].duplicates == before.reports[0].duplicates) {
        EXPECT_LE(after.reports[0].max_load, without_moves * kRounding);
      }
    }
    if (HasFailure()) return;
  }
}

void let_drift(support::Random& random, std::vector<float>& loads) {
  for (float& load : loads) load *= static_cast<float>(std::exp(0.17 * (random.uniform() - 0.5)));
}

/// Other loads, and then loads that drift; with all the time that a search takes, and with none
/// beyond the first plan.
TEST(BalanceChange, IsNeverWorseWhenLoadsChange) {
  for (int seed = 0; seed < 500; ++seed) {
    support::Random random(seed);
    BalanceCase c = random_case(random, 3, 4, 5);
    SCOPED_TRACE(text_of(c, seed));
    const double budget = seed % 2 == 0 ? kForever : 0;
    std::vector<std::int64_t> current = plan_of(c, Policy::kBetter).phy2log;
    c.loads = testing_support::random_loads(random, c.experts);
    for (int step = 0; step < 5; ++step) {
      const Plan plan = plan_of(c, Policy::kBetter, current, -1, budget);
      expect_rules(c, plan);
      EXPECT_LE(plan.reports[0].max_load,
                plan_of(c, Policy::kPublished).reports[0].max_load * kRounding);
      current = plan.phy2log;
      let_drift(random, c.loads);
    }
    if (HasFailure()) return;
  }
}

/// What docs/balance.md says of deployments whose GPUs hold two or three experts each, already of
/// the first plan of each step.
TEST(BalanceChange, MovesAFifthOfTheExpertsInTheMean) {
  for (const auto& [gpus, slots] : {std::pair(144, 432), std::pair(320, 640)}) {
    support::Random random(slots);
    BalanceCase c;
    c.experts = 384;
    c.deployment = {
        .num_replicas = slots, .num_groups = 8, .num_nodes = gpus / 8, .num_gpus = gpus};
    c.loads = testing_support::zipf_loads(random, 1, c.experts, 0.8);
    std::vector<std::int64_t> current = plan_of(c, Policy::kBetter).phy2log;
    const int steps = 20;
    std::int64_t moves = 0;
    for (int step = 0; step < steps; ++step) {
      SCOPED_TRACE(std::to_string(slots) + " slots, step " + std::to_string(step));
      let_drift(random, c.loads);
      const Plan plan = plan_of(c, Policy::kBetter, current, -1, 0);
      EXPECT_LE(plan.reports[0].max_load,
                plan_of(c, Policy::kPublished).reports[0].max_load * kRounding);
      moves += plan.reports[0].moves;
      current = plan.phy2log;
    }
    EXPECT_LE(moves, steps * (c.experts / 5));
  }
}

TEST(BalanceChange, BoundsWhatALimitOfMovesAllows) {
  int problems = 0, sharper = 0;
  for (int seed = 0; seed < 1500; ++seed) {
    support::Random random(seed);
    BalanceCase c = random_case(random, 2, 3, 3);
    if (c.deployment.num_nodes < 2 || c.deployment.num_groups % 2 != 0) continue;
    if (c.deployment.num_replicas > 8 || c.experts > 5) continue;
    SCOPED_TRACE(text_of(c, seed));
    const plan::BalanceProblem problem = api::check_deployment(c.deployment, c.experts);
    const Plan before = plan_of(c, Policy::kBetter);
    c.loads = testing_support::random_loads(random, c.experts);
    const std::vector<int> current(before.phy2log.begin(), before.phy2log.end());
    const double anywhere = plan_of(c, Policy::kBetter, before.phy2log).reports[0].bound;
    for (const int limit : {1, 3}) {
      const LayerReport report = plan_of(c, Policy::kBetter, before.phy2log, limit).reports[0];
      const double best = reference::least_max_load(problem, c.loads, true, current, limit);
      EXPECT_LE(report.bound, best * kRounding) << limit;
      EXPECT_GE(report.max_load, best / kRounding) << limit;
      sharper += report.bound > anywhere * kRounding ? 1 : 0;
    }
    ++problems;
    if (HasFailure()) return;
  }
  EXPECT_GT(problems, 100);
  EXPECT_GT(sharper, 30);
}

/// What docs/balance.md promises for loads that drift: where groups stay on nodes, a plan that
/// moves a fifth of the experts is above the published one only where every such plan is.
TEST(BalanceChange, DriftsWithoutFallingBehindWhereGroupsStay) {
  for (const int slots : {256, 288, 320}) {
    support::Random random(slots);
    BalanceCase c;
    c.experts = 256;
    c.deployment = {.num_replicas = slots, .num_groups = 8, .num_nodes = 4, .num_gpus = 32};
    c.loads = testing_support::zipf_loads(random, 1, c.experts, 0.8);
    std::vector<std::int64_t> current = plan_of(c, Policy::kBetter).phy2log;
    for (int step = 0; step < 20; ++step) {
      SCOPED_TRACE(std::to_string(slots) + " slots, step " + std::to_string(step));
      let_drift(random, c.loads);
      const Plan plan = plan_of(c, Policy::kBetter, current, c.experts / 5);
      const LayerReport& report = plan.reports[0];
      EXPECT_LE(report.moves, c.experts / 5);
      // A search ends 1e-4 above the bound.
      EXPECT_LE(report.max_load,
                std::max(plan_of(c, Policy::kPublished).reports[0].max_load * kRounding,
                         report.bound * 1.00011));
      current = plan.phy2log;
    }
  }
}

TEST(BalanceChange, ExchangesTwoGroupsAndLeavesTheOthers) {
  BalanceCase c;
  c.experts = 32;
  c.deployment = {.num_replicas = 32, .num_groups = 8, .num_nodes = 4, .num_gpus = 16};
  c.loads.assign(32, 1.0f);
  const Plan before = plan_of(c, Policy::kBetter);
  // The two groups of the first node become ten times as loaded as the others.
  for (int slot = 0; slot < 8; ++slot) c.loads[before.phy2log[slot]] = 10;
  const LayerReport report = plan_of(c, Policy::kBetter, before.phy2log).reports[0];
  EXPECT_EQ(report.max_load, 11);
  EXPECT_EQ(report.moves, 8);  // four experts each way
  EXPECT_EQ(plan_of(c, Policy::kBetter, before.phy2log, 8).reports[0].max_load, 11);
  const LayerReport limited = plan_of(c, Policy::kBetter, before.phy2log, 7).reports[0];
  EXPECT_EQ(limited.max_load, 20);
  EXPECT_EQ(limited.bound, 20);
}

TEST(BalanceChange, MovesNothingWhereNothingChanged) {
  support::Random random(1);
  BalanceCase c;
  c.experts = 256;
  c.deployment = {.num_replicas = 288, .num_groups = 8, .num_nodes = 4, .num_gpus = 32};
  c.loads = testing_support::zipf_loads(random, 1, c.experts, 0.8);
  const Plan before = plan_of(c, Policy::kBetter);
  const Plan after = plan_of(c, Policy::kBetter, before.phy2log);
  EXPECT_EQ(after.phy2log, before.phy2log);
  EXPECT_EQ(after.reports[0].moves, 0);
}

/// A placement as the published policy would make it for other loads: duplicates and all.
std::vector<int> any_placement(support::Random& random, BalanceCase c) {
  c.loads = testing_support::random_loads(random, c.experts);
  const Plan plan = plan_of(c, Policy::kPublished);
  return {plan.phy2log.begin(), plan.phy2log.end()};
}

TEST(BalanceChange, NeverMovesMoreForRenamedGpus) {
  std::int64_t fewer = 0;
  for (int seed = 0; seed < 1000; ++seed) {
    support::Random random(seed);
    const BalanceCase c = random_case(random, 3, 4, 5);
    SCOPED_TRACE(text_of(c, seed));
    const plan::BalanceProblem problem = api::check_deployment(c.deployment, c.experts);
    const std::vector<int> current = any_placement(random, c), next = any_placement(random, c);
    const std::vector<int> renamed = plan::relabel(problem, next, current);
    EXPECT_EQ(reference::broken_rule(problem, renamed), "");
    EXPECT_EQ(reference::duplicates(problem, renamed), reference::duplicates(problem, next));
    const auto before = reference::moves(problem, current, next);
    const auto after = reference::moves(problem, current, renamed);
    EXPECT_LE(after, before);
    fewer += before - after;
    if (HasFailure()) return;
  }
  EXPECT_GT(fewer, 1000);
}

TEST(BalanceChange, ExchangesRaiseNoGpuBeyondTheTarget) {
  int came_down = 0;
  for (int seed = 0; seed < 1000; ++seed) {
    support::Random random(seed);
    const BalanceCase c = random_case(random, 3, 4, 5);
    SCOPED_TRACE(text_of(c, seed));
    const plan::BalanceProblem problem = api::check_deployment(c.deployment, c.experts);
    const std::vector<int> start = any_placement(random, c);
    plan::BalanceState state(problem);
    state.start(c.loads, start, start);
    std::vector<double> before;
    for (int gpu = 0; gpu < problem.gpus; ++gpu) before.push_back(state.load(gpu));
    const int duplicates = state.duplicates();
    const double target = state.max_load() * (0.6 + 0.4 * random.uniform());
    plan::exchange_experts(state, target);
    EXPECT_EQ(reference::broken_rule(problem, state.placement()), "");
    EXPECT_EQ(state.moves(), reference::moves(problem, start, state.placement()));
    EXPECT_LE(state.duplicates(), duplicates);
    for (int gpu = 0; gpu < problem.gpus; ++gpu) {
      EXPECT_LE(state.load(gpu), std::max(before[gpu], target) * kRounding) << "GPU " << gpu;
      came_down += before[gpu] > target && state.load(gpu) <= target ? 1 : 0;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(came_down, 300);
}

/// Two GPUs beyond the target and one with room for what both have too much, at two sizes: three
/// moves instead of four.
TEST(BalanceChange, SharesTheRoomOfOneGpu) {
  BalanceCase c;
  c.experts = 6;
  c.deployment = {.num_replicas = 6, .num_gpus = 3};
  c.loads = {60, 50, 70, 40, 50, 30};
  const plan::BalanceProblem problem = api::check_deployment(c.deployment, c.experts);
  plan::BalanceState state(problem);
  const std::vector<int> start = {0, 1, 2, 3, 4, 5};
  state.start(c.loads, start, start);
  plan::exchange_experts(state, 100);
  EXPECT_EQ(state.max_load(), 100);
  EXPECT_EQ(state.moves(), 3);
}

}  // namespace
}  // namespace fathom
