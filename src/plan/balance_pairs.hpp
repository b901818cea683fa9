// Two swaps at once between two GPUs: finds what single swaps cannot, when neither of the two alone
// is an improvement. Planning layer: pure.
#pragma once

#include <cstdint>

#include "plan/balance_state.hpp"

namespace fathom::plan {

struct PairSwap {
  double max_load = BalanceState::kForbidden;  ///< of the two GPUs
  int slots[2] = {-1, -1};                     ///< of one GPU,
  int others[2] = {-1, -1};                    ///< each with its partner on the other
  bool found() const { return slots[0] >= 0; }
};

/// The best pair between this GPU and the least loaded one of its domain with a pair that leaves
/// both below `below` and raises the moves by at most `more_moves` (negative = any number). Adds
/// what it looks at to `trials`.
PairSwap best_pair_swap(const BalanceState& state, int gpu, double below, int more_moves,
                        std::int64_t& trials);

}  // namespace fathom::plan
