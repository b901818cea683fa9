// Checks a call of the load balancer and turns it into a plan::BalanceProblem. Front end.
#pragma once

#include <fathom/balance.hpp>

#include "plan/balance_problem.hpp"

namespace fathom::api {

/// The deployment for so many experts. Throws Error(kInvalidArgument).
plan::BalanceProblem check_deployment(const balance::Deployment& deployment, std::int64_t experts);

/// Shapes, and finite loads of 0 or more.
void check_loads(const balance::Loads& loads);

/// What only the better policy can do is refused under the published one.
void check_options(const balance::Options& options, const plan::BalanceProblem& problem);

/// [layers, replicas] of experts, each expert in every layer; `name` stands in messages. With
/// `keep_groups` the layers also obey the problem's rule of groups.
std::vector<plan::BalancePlacement> check_placements(const plan::BalanceProblem& problem,
                                                     std::span<const std::int64_t> given,
                                                     std::int64_t layers, std::string_view name,
                                                     bool keep_groups);

}  // namespace fathom::api
