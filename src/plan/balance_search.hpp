// Improves a placement step by step: each step takes load off the most loaded GPU without making
// another one as loaded. Planning layer: pure; the clock comes from outside.
#pragma once

#include <cstdint>
#include <functional>

#include "plan/balance_state.hpp"

namespace fathom::plan {

/// When to stop, beside having nothing to improve.
struct SearchLimits {
  std::int64_t max_moves = -1;  ///< against the state's current placement; negative = no limit
  std::int64_t max_trials = 0;  ///< changes looked at: a limit that gives the same plan every time
  double good_enough = 0;       ///< stop at this maximum load or below
  std::function<bool()> out_of_time;  ///< asked before each step
};

/// Lowers the maximum load until a limit or a local optimum. Makes no duplicates.
void lower_max_load(BalanceState& state, const SearchLimits& limits);

/// Takes duplicates apart where the maximum load stays at `max_load` or below.
void remove_duplicates(BalanceState& state, const SearchLimits& limits, double max_load);

}  // namespace fathom::plan
