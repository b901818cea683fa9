// A lower bound on the maximum load of every placement. Planning layer: pure.
#pragma once

#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// The sum of the loads over the sum of the speeds.
double mean_load(const BalanceProblem& problem, std::span<const float> loads);

/// The largest of several bounds, each of which follows from counting alone.
double max_load_bound(const BalanceProblem& problem, std::span<const float> loads);

/// The same for placements at most so many moves from `current` (negative = any): where groups stay
/// on nodes and none can leave its node (two groups would have to move), each node by itself.
double max_load_bound_near(const BalanceProblem& problem, std::span<const float> loads,
                           const BalancePlacement& current, std::int64_t max_moves);

}  // namespace fathom::plan
