// A plan made without looking at the placement in use, renamed so that little has to move. Planning
// layer: pure.
#pragma once

#include "plan/balance_problem.hpp"

namespace fathom::plan {

/// Exchanges the roles of GPUs of a domain, and of whole domains, so that more experts lie where
/// `current` has them, never fewer. Loads, counts and duplicates stay. The GPUs must be uniform.
BalancePlacement relabel(const BalanceProblem& problem, const BalancePlacement& placement,
                         const BalancePlacement& current);

/// The same experts on each GPU, those that `current` has there at their old slots.
BalancePlacement keep_slots(const BalanceProblem& problem, const BalancePlacement& placement,
                            const BalancePlacement& current);

}  // namespace fathom::plan
