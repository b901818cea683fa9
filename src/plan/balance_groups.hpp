// Which node each routing group lives on, where groups stay on nodes. Planning layer: pure.
#pragma once

#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// [groups]: the node of each group, so that nodes are loaded alike; the same number on each.
std::vector<int> spread_groups(const BalanceProblem& problem, std::span<const float> loads);

/// The same, made from the groups' present nodes by exchanges of two groups, until no node has more
/// than `enough` for each of its GPUs or no exchange helps.
std::vector<int> exchange_groups(const BalanceProblem& problem, std::span<const float> loads,
                                 std::vector<int> node_of_group, double enough);

/// `current` with every group on the node that `node_of_group` names: its experts take the slots of
/// groups that leave, heavy ones first on the least loaded GPU; all others stay where they are.
BalancePlacement with_groups(const BalanceProblem& problem, std::span<const float> loads,
                             const BalancePlacement& current,
                             const std::vector<int>& node_of_group);

}  // namespace fathom::plan
