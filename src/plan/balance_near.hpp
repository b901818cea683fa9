// A placement near another one: experts stay where they are as long as that does not load a GPU too
// much. Planning layer: pure.
#pragma once

#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// Places as many slots of each expert as `counts` says, heavy ones first: on a GPU that holds the
/// expert in `current` while its load stays at `target` or below, else on the least loaded one.
/// Experts stay in their domains. Empty where that ends with slots that only a duplicate would
/// fill.
BalancePlacement place_near(const BalanceProblem& problem, std::span<const float> loads,
                            const std::vector<int>& counts, const BalancePlacement& current,
                            double target);

/// `current` with every group on the node that `node_of_group` names: its experts take the slots of
/// groups that leave, heavy ones first on the least loaded GPU; all others stay where they are.
BalancePlacement with_groups(const BalanceProblem& problem, std::span<const float> loads,
                             const BalancePlacement& current,
                             const std::vector<int>& node_of_group);

}  // namespace fathom::plan
