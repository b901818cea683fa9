// The first placement of a layer, before any search: replicas, and slots to GPUs. Planning layer:
// pure.
#pragma once

#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// A placement with few duplicates: replicas to the experts with the largest load for each, heavy
/// slots first to the least loaded GPU without that expert. node_of_group is read when the problem
/// keeps groups on nodes.
BalancePlacement place_experts(const BalanceProblem& problem, std::span<const float> loads,
                               const std::vector<int>& node_of_group);

}  // namespace fathom::plan
