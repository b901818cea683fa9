// The published policy of the load balancer: its sample, and the cases that its users test.
#include <gtest/gtest.h>

#include <algorithm>
#include <fathom/balance.hpp>
#include <map>
#include <numeric>

#include "support/balance_problems.hpp"

namespace fathom {
namespace {

using balance::Deployment;
using balance::LayerReport;
using balance::Loads;
using balance::Plan;
using balance::Policy;
using testing_support::PublishedSample;

constexpr balance::Options kPublished = {.policy = Policy::kPublished};

Plan published(const std::vector<float>& loads, std::int64_t layers, const Deployment& deployment) {
  const auto experts = static_cast<std::int64_t>(loads.size()) / layers;
  return balance::make_plan({layers, experts, loads}, deployment, kPublished);
}

/// log2phy and logcnt are what phy2log says.
void expect_tables_agree(const Plan& plan) {
  ASSERT_EQ(plan.phy2log.size(), static_cast<std::size_t>(plan.layers * plan.replicas));
  for (std::int64_t layer = 0; layer < plan.layers; ++layer) {
    std::int64_t slots = 0;
    for (std::int64_t expert = 0; expert < plan.experts; ++expert) {
      const std::int64_t row = layer * plan.experts + expert;
      const std::int64_t count = plan.logcnt[row];
      EXPECT_GE(count, 1);
      slots += count;
      for (std::int64_t i = 0; i < plan.max_count; ++i) {
        const std::int64_t slot = plan.log2phy[row * plan.max_count + i];
        if (i >= count) {
          EXPECT_EQ(slot, -1);
        } else {
          ASSERT_TRUE(slot >= 0 && slot < plan.replicas) << slot;
          EXPECT_EQ(plan.phy2log[layer * plan.replicas + slot], expert);
        }
      }
    }
    EXPECT_EQ(slots, plan.replicas);
  }
}

TEST(BalancePublished, PrintsTheSampleExactly) {
  const PublishedSample sample;
  const Plan plan = balance::make_plan(sample.view(), sample.deployment, kPublished);
  EXPECT_EQ(plan.phy2log, sample.phy2log);
  EXPECT_EQ(plan.max_count, 2);
  EXPECT_EQ(plan.logcnt, (std::vector<std::int64_t>{1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1,  //
                                                    1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1}));
  expect_tables_agree(plan);
  // Expert 5 of layer 0: replica 0 in slot 0, replica 1 in slot 2.
  EXPECT_EQ(plan.log2phy[5 * 2], 0);
  EXPECT_EQ(plan.log2phy[5 * 2 + 1], 2);
}

TEST(BalancePublished, FillsOneGpu) {
  const Plan plan = published({5, 1, 3, 2}, 1,
                              {.num_replicas = 6, .num_groups = 1, .num_nodes = 1, .num_gpus = 1});
  EXPECT_EQ(plan.logcnt, (std::vector<std::int64_t>{2, 1, 2, 1}));
  EXPECT_EQ(plan.reports[0].max_load, 11);
  expect_tables_agree(plan);
}

TEST(BalancePublished, SplitsEqualLoadsEvenly) {
  const Plan plan = published(std::vector<float>(8, 50.0f), 1,
                              {.num_replicas = 8, .num_groups = 2, .num_nodes = 2, .num_gpus = 4});
  EXPECT_EQ(plan.logcnt, std::vector<std::int64_t>(8, 1));
  EXPECT_EQ(plan.reports[0].max_load, plan.reports[0].mean_load);
  expect_tables_agree(plan);
}

TEST(BalancePublished, GivesAHotExpertTheSpareSlots) {
  const Plan plan = published({1e6f, 1, 1, 1, 1, 1, 1, 1}, 1,
                              {.num_replicas = 12, .num_groups = 8, .num_nodes = 2, .num_gpus = 4});
  // Two of the four spare slots are on its node, and all go to it.
  EXPECT_EQ(plan.logcnt[0], 3);
  expect_tables_agree(plan);
}

TEST(BalancePublished, PlansLayersByThemselves) {
  support::Random random(3);
  const Deployment deployment = {
      .num_replicas = 80, .num_groups = 8, .num_nodes = 2, .num_gpus = 8};
  const std::vector<float> loads = testing_support::zipf_loads(random, 5, 64, 0.8);
  const Plan all = published(loads, 5, deployment);
  expect_tables_agree(all);
  for (int layer = 0; layer < 5; ++layer) {
    const std::vector<float> own(loads.begin() + layer * 64, loads.begin() + (layer + 1) * 64);
    const Plan one = published(own, 1, deployment);
    EXPECT_TRUE(
        std::equal(one.phy2log.begin(), one.phy2log.end(), all.phy2log.begin() + layer * 80));
  }
}

TEST(BalancePublished, IgnoresGroupsThatNodesDoNotDivide) {
  support::Random random(4);
  const std::vector<float> loads = testing_support::zipf_loads(random, 1, 12, 1.0);
  // 3 groups on 2 nodes, and 1 group on 1 node of as many GPUs: the same global policy.
  const Plan uneven =
      published(loads, 1, {.num_replicas = 16, .num_groups = 3, .num_nodes = 2, .num_gpus = 4});
  const Plan global =
      published(loads, 1, {.num_replicas = 16, .num_groups = 1, .num_nodes = 1, .num_gpus = 4});
  EXPECT_EQ(uneven.phy2log, global.phy2log);
}

TEST(BalancePublished, KeepsGroupsOnNodes) {
  const PublishedSample sample;
  const Plan plan = balance::make_plan(sample.view(), sample.deployment, kPublished);
  for (int layer = 0; layer < 2; ++layer) {
    std::map<std::int64_t, std::int64_t> node_of_group;
    for (std::int64_t slot = 0; slot < 16; ++slot) {
      const std::int64_t group = plan.phy2log[layer * 16 + slot] / 3;
      EXPECT_EQ(node_of_group.emplace(group, slot / 8).first->second, slot / 8);
    }
  }
}

TEST(BalancePublished, CountsDuplicatesAndMoves) {
  // Expert 0 gets both spare slots of two GPUs with two slots each: 2, 1.5 and 0.5 as in its text.
  const Plan plan = published({2, 1.5, 0.5}, 1,
                              {.num_replicas = 4, .num_groups = 1, .num_nodes = 1, .num_gpus = 2});
  EXPECT_EQ(plan.phy2log, (std::vector<std::int64_t>{1, 2, 0, 0}));
  EXPECT_EQ(plan.reports[0].duplicates, 1);
  EXPECT_EQ(plan.reports[0].moves, 0);  // nothing to count from
  balance::Options options = kPublished;
  const std::vector<std::int64_t> current = {0, 2, 0, 1};
  options.current = current;
  const std::vector<float> loads = {2, 1.5, 0.5};
  const Plan again = balance::make_plan(
      {1, 3, loads}, {.num_replicas = 4, .num_groups = 1, .num_nodes = 1, .num_gpus = 2}, options);
  EXPECT_EQ(again.phy2log, plan.phy2log);
  EXPECT_EQ(again.reports[0].moves, 2);  // expert 1 to the first GPU, a second 0 to the other
}

}  // namespace
}  // namespace fathom
