// The router's table and the transfers of a change of plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fathom/balance.hpp>
#include <map>
#include <set>

#include "support/balance_problems.hpp"

namespace fathom {
namespace {

using balance::Deployment;
using balance::LinkLimits;
using balance::Plan;
using balance::RouterTable;
using balance::Transfer;
using testing_support::BalanceCase;
using testing_support::random_case;

Plan plan_of(const BalanceCase& c) {
  balance::Options options;
  options.time_budget_s = 1e9;
  return balance::make_plan(c.view(), c.deployment, options);
}

std::int64_t gpu_of(const Deployment& d, std::int64_t slot) {
  return slot / (d.num_replicas / d.num_gpus);
}
std::int64_t node_of(const Deployment& d, std::int64_t gpu) {
  return gpu / (d.num_gpus / d.num_nodes);
}

/// How often each replica is named over all GPUs, and by which.
void expect_balanced_and_local(const BalanceCase& c, const Plan& plan, const RouterTable& table) {
  const Deployment& d = c.deployment;
  for (std::int64_t expert = 0; expert < c.experts; ++expert) {
    const std::int64_t count = plan.logcnt[expert];
    ASSERT_EQ(table.counts[expert], count);
    std::set<std::int64_t> gpus;
    for (std::int64_t i = 0; i < count; ++i) {
      gpus.insert(gpu_of(d, plan.log2phy[expert * plan.max_count + i]));
    }
    std::map<std::int32_t, std::int64_t> named;
    for (std::int64_t source = 0; source < d.num_gpus; ++source) {
      for (std::int64_t token = 0; token < count; ++token) {
        const std::int32_t slot = balance::choose_replica(table, source, expert, token);
        ASSERT_EQ(plan.phy2log[slot], expert);
        ++named[slot];
        // Each replica takes num_gpus parts, and a GPU has only `count` of them: where experts
        // stand once on a GPU, its own always fit.
        if (gpus.count(source) != 0 && static_cast<std::int64_t>(gpus.size()) == count) {
          EXPECT_EQ(gpu_of(d, slot), source);
        }
      }
    }
    for (const auto& [slot, times] : named) EXPECT_EQ(times, d.num_gpus) << "slot " << slot;
    EXPECT_EQ(static_cast<std::int64_t>(named.size()), count);
  }
}

TEST(BalanceRouter, LoadsReplicasAlikeAndPrefersTheOwnGpu) {
  for (int seed = 0; seed < 500; ++seed) {
    support::Random random(seed);
    const BalanceCase c = random_case(random, 3, 4, 5);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Plan plan = plan_of(c);
    const RouterTable table = balance::make_router_table(plan, c.deployment, 0);
    expect_balanced_and_local(c, plan, table);
    EXPECT_EQ(balance::make_router_table(plan, c.deployment, 0).slots, table.slots);
    if (HasFailure()) return;
  }
}

TEST(BalanceRouter, StaysOnTheNodeWhereThatKeepsTheBalance) {
  // One expert with a replica on each of two nodes of two GPUs: no token leaves its node.
  Plan plan;
  plan.layers = 1;
  plan.experts = 3;
  plan.replicas = 4;
  plan.phy2log = {0, 1, 0, 2};
  const Deployment d = {.num_replicas = 4, .num_groups = 3, .num_nodes = 2, .num_gpus = 4};
  const RouterTable table = balance::make_router_table(plan, d, 0);
  for (int token = 0; token < 4; ++token) {
    EXPECT_EQ(balance::choose_replica(table, 0, 0, token), 0);
    EXPECT_EQ(balance::choose_replica(table, 1, 0, token), 0);
    EXPECT_EQ(balance::choose_replica(table, 2, 0, token), 2);
    EXPECT_EQ(balance::choose_replica(table, 3, 0, token), 2);
    EXPECT_EQ(balance::choose_replica(table, 0, 2, token), 3);
  }
  EXPECT_THROW(balance::make_router_table(plan, d, 1), Error);
}

struct Usage {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> sends, receives, node_sends,
      node_receives;  ///< of (round, GPU or node)
};

Usage usage_of(const Deployment& d, const std::vector<Transfer>& transfers) {
  Usage usage;
  for (const Transfer& t : transfers) {
    const std::int64_t from = gpu_of(d, t.from_slot), to = gpu_of(d, t.to_slot);
    ++usage.sends[{t.round, from}];
    ++usage.receives[{t.round, to}];
    if (node_of(d, from) == node_of(d, to)) continue;
    ++usage.node_sends[{t.round, node_of(d, from)}];
    ++usage.node_receives[{t.round, node_of(d, to)}];
  }
  return usage;
}

template <typename Counts>
void expect_at_most(const Counts& counts, std::int64_t limit) {
  for (const auto& [key, count] : counts) EXPECT_LE(count, limit);
}

TEST(BalanceTransfers, BringEveryExpertWithinTheLimits) {
  for (int seed = 0; seed < 1000; ++seed) {
    support::Random random(seed);
    BalanceCase c = random_case(random, 3, 4, 5);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Deployment& d = c.deployment;
    const Plan before = plan_of(c);
    c.loads = testing_support::random_loads(random, c.experts);
    const Plan after = plan_of(c);
    const LinkLimits limits = {random.integer(1, 2), random.integer(1, 2), random.integer(0, 2),
                               random.integer(0, 2)};
    const std::vector<Transfer> transfers =
        balance::transfers(before.phy2log, after.phy2log, d, limits);
    std::set<std::pair<std::int64_t, std::int64_t>> held;  // GPU, expert
    for (std::int64_t slot = 0; slot < d.num_replicas; ++slot) {
      held.emplace(gpu_of(d, slot), before.phy2log[slot]);
    }
    std::int64_t last = 0;
    for (const Transfer& t : transfers) {
      EXPECT_GE(t.round, last);
      last = t.round;
      EXPECT_EQ(before.phy2log[t.from_slot], t.expert);
      EXPECT_EQ(after.phy2log[t.to_slot], t.expert);
      EXPECT_TRUE(held.emplace(gpu_of(d, t.to_slot), t.expert).second) << "it is there already";
    }
    for (std::int64_t slot = 0; slot < d.num_replicas; ++slot) {
      EXPECT_EQ(held.count({gpu_of(d, slot), after.phy2log[slot]}), 1u);
    }
    const Usage usage = usage_of(d, transfers);
    expect_at_most(usage.sends, limits.sends_per_gpu);
    expect_at_most(usage.receives, limits.receives_per_gpu);
    if (limits.sends_per_node > 0) expect_at_most(usage.node_sends, limits.sends_per_node);
    if (limits.receives_per_node > 0) expect_at_most(usage.node_receives, limits.receives_per_node);
    if (HasFailure()) return;
  }
}

TEST(BalanceTransfers, ExchangeInOneRound) {
  const std::vector<std::int64_t> before = {0, 1}, after = {1, 0};
  const auto transfers = balance::transfers(
      before, after, {.num_replicas = 2, .num_groups = 1, .num_nodes = 1, .num_gpus = 2});
  ASSERT_EQ(transfers.size(), 2u);
  EXPECT_EQ(transfers[0].round, 0);
  EXPECT_EQ(transfers[1].round, 0);
  EXPECT_TRUE(balance::transfers(before, before, {.num_replicas = 2, .num_gpus = 2}).empty());
}

TEST(BalanceTransfers, RefuseLimitsThatLetNothingPass) {
  const std::vector<std::int64_t> placement = {0, 1};
  const Deployment d = {.num_replicas = 2, .num_gpus = 2};
  try {
    balance::transfers(placement, placement, d, {.sends_per_gpu = 0});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr("sends_per_gpu is 0; it needs 1 or more"));
  }
  EXPECT_THROW(balance::transfers({}, placement, d), Error);
}

TEST(BalanceTransfers, RefuseANumberThatNoExpertHas) {
  const std::vector<std::int64_t> good = {0, 1}, bad = {0, INT64_MAX};
  try {
    balance::transfers(bad, good, {.num_replicas = 2, .num_gpus = 2});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr("every expert needs a slot"));
  }
}

}  // namespace
}  // namespace fathom
