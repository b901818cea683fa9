// The first placement of a layer, before any search: groups to nodes, replicas, slots to GPUs.
// Planning layer: pure.
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

/// A placement with few duplicates: replicas to the experts with the largest load for each, heavy
/// slots first to the least loaded GPU without that expert. node_of_group is read when the problem
/// keeps groups on nodes.
BalancePlacement place_experts(const BalanceProblem& problem, std::span<const float> loads,
                               const std::vector<int>& node_of_group);

}  // namespace fathom::plan
