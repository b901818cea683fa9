// What a change of placement has to move, and when. Planning layer: pure.
#pragma once

#include <fathom/balance.hpp>
#include <vector>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// One layer, from one placement to another, by ascending round.
std::vector<balance::Transfer> balance_transfers(const BalanceProblem& problem,
                                                 const BalancePlacement& current,
                                                 const BalancePlacement& next,
                                                 const balance::LinkLimits& limits);

}  // namespace fathom::plan
