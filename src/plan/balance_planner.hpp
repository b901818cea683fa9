// The better policy: of several placements the best, at most as loaded as the published one.
// Planning layer: pure.
#pragma once

#include <functional>
#include <span>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

struct BalanceRequest {
  BalancePlacement current;           ///< empty = none; obeys the rules of the problem's domains
  std::int64_t max_moves = -1;        ///< negative = no limit
  std::function<bool()> out_of_time;  ///< true: return the best so far; empty = never
};

/// One layer. Without a limit of moves, the maximum load is at most that of balance_published where
/// GPUs are uniform, and a duplicate stays only where no placement without it was found that is
/// as good as that. With a limit the placement is the current one after at most so many moves.
BalancePlacement balance_better(const BalanceProblem& problem, std::span<const float> loads,
                                const BalanceRequest& request);

}  // namespace fathom::plan
