// Plans of one layer for the tests of the load balancer, and what every plan has to keep to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fathom/balance.hpp>
#include <string>
#include <vector>

#include "api/balance_check.hpp"
#include "reference/balance.hpp"
#include "support/balance_problems.hpp"

namespace fathom::testing_support {

inline constexpr double kRounding = 1 + 1e-6;
/// No clock: the same plan on any machine.
inline constexpr double kForever = 1e9;

inline balance::Plan plan_of(const BalanceCase& c, balance::Policy policy,
                             const std::vector<std::int64_t>& current = {},
                             std::int64_t max_moves = -1, double time_budget_s = kForever) {
  balance::Options options;
  options.policy = policy;
  options.current = current;
  options.max_moves = max_moves;
  options.time_budget_s = time_budget_s;
  return balance::make_plan(c.view(), c.deployment, options);
}

inline std::string text_of(const BalanceCase& c, int seed) {
  const balance::Deployment& d = c.deployment;
  return "seed " + std::to_string(seed) + ": " + std::to_string(c.experts) + " experts, " +
         std::to_string(d.num_replicas) + " slots, " + std::to_string(d.num_groups) + " groups, " +
         std::to_string(d.num_nodes) + " nodes, " + std::to_string(d.num_gpus) + " GPUs";
}

inline void expect_rules(const BalanceCase& c, const balance::Plan& plan) {
  const plan::BalanceProblem problem = api::check_deployment(c.deployment, c.experts);
  const std::vector<int> placement(plan.phy2log.begin(), plan.phy2log.end());
  EXPECT_EQ(reference::broken_rule(problem, placement), "");
  const std::vector<double> loads = reference::gpu_loads(problem, c.loads, placement);
  EXPECT_EQ(plan.reports[0].max_load, *std::max_element(loads.begin(), loads.end()));
  EXPECT_EQ(plan.reports[0].duplicates, reference::duplicates(problem, placement));
  EXPECT_LE(plan.reports[0].bound, plan.reports[0].max_load);
}

}  // namespace fathom::testing_support
