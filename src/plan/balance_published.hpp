// The published balancer (EPLB, 2025-03): its policy and its ties, in float32, so that outputs are
// equal. Planning layer: pure.
#pragma once

#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

struct PublishedPlan {
  BalancePlacement expert_of_slot;
  std::vector<int> replica_of_slot;  ///< replica number of each slot
  std::vector<int> node_of_group;    ///< [groups]; all 0 under the global policy
};

/// One layer. The GPUs of `problem` must be uniform.
PublishedPlan balance_published(const BalanceProblem& problem, std::span<const float> loads);

}  // namespace fathom::plan
