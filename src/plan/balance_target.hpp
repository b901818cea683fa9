// Improves a placement towards a target for the load of every GPU at once: what cannot be taken off
// the most loaded GPU alone may be passed on. Planning layer: pure.
#pragma once

#include <vector>

#include "plan/balance_search.hpp"

namespace fathom::plan {

/// Changes the placement while that lowers what GPUs carry beyond `target`; good_enough is not
/// read. True where every GPU came down to the target. Makes no duplicates.
bool reach_target(BalanceState& state, const SearchLimits& limits, double target);

/// Gives each expert as many slots as `counts` says, as far as the limits and the slots without a
/// duplicate allow; each time the slot that leaves least beyond `target`.
void change_counts(BalanceState& state, const SearchLimits& limits, const std::vector<int>& counts,
                   double target);

}  // namespace fathom::plan
