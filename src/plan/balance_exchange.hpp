// Many GPUs exchange one expert each, all at once: brings GPUs below a target where exchanges
// between two would move more. Planning layer: pure.
#pragma once

#include "plan/balance_state.hpp"

namespace fathom::plan {

/// Brings as many GPUs as it can from above `target` to it or below, and none above it. A GPU gives
/// up one expert at most and takes one; few others take part. Makes no duplicates.
void exchange_experts(BalanceState& state, double target);

}  // namespace fathom::plan
