// Which replica serves which GPU's tokens. Planning layer: pure.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// [gpus, experts, max_count], -1 behind the last replica. replica_slots: the slots of each expert.
std::vector<std::int32_t> balance_router_table(const BalanceProblem& problem,
                                               const std::vector<std::vector<int>>& replica_slots,
                                               int max_count);

}  // namespace fathom::plan
