// Changes a placement, with few moves, until no GPU is loaded beyond a target. Planning layer:
// pure.
#pragma once

#include "plan/balance_search.hpp"

namespace fathom::plan {

/// True where every GPU came down to the target; good_enough is not read, and more than max_moves
/// is a failure. Makes no duplicates.
bool reach_target(BalanceState& state, const SearchLimits& limits, double target);

}  // namespace fathom::plan
