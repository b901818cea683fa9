// How good a placement is, and the best there is, in FP64 and plain loops: the judge of the load
// balancer. Reference layer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/balance_problem.hpp"

namespace fathom::reference {

/// The load of each GPU, divided by its speed: every slot carries its expert's load over the number
/// of the expert's slots.
std::vector<double> gpu_loads(const plan::BalanceProblem& problem, std::span<const float> loads,
                              std::span<const int> expert_of_slot);

/// Slots whose expert stands on the same GPU before.
std::int64_t duplicates(const plan::BalanceProblem& problem, std::span<const int> expert_of_slot);

/// Experts that a GPU holds more often in `next` than in `current`, over all GPUs.
std::int64_t moves(const plan::BalanceProblem& problem, std::span<const int> current,
                   std::span<const int> next);

/// What is wrong with a placement, or "": slots of unknown experts, experts without a slot, groups
/// on several nodes, or more on one node than on another, where the problem keeps them together.
std::string broken_rule(const plan::BalanceProblem& problem, std::span<const int> expert_of_slot);

/// The lowest maximum load over all placements, with or without duplicates on a GPU, or over those
/// at most `max_moves` from `current`; infinity where none is allowed. Tries them all: for a
/// handful of slots.
double least_max_load(const plan::BalanceProblem& problem, std::span<const float> loads,
                      bool allow_duplicates, std::span<const int> current = {},
                      std::int64_t max_moves = 0);

}  // namespace fathom::reference
