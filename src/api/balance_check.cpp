// See balance_check.hpp.
#include "api/balance_check.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "reference/balance.hpp"

namespace fathom::api {
namespace {

using balance::Deployment;
using balance::Policy;
using plan::BalanceProblem;

// Far beyond any deployment; tables of slots by experts still fit in memory.
constexpr std::int64_t kMaxReplicas = 16384;
constexpr std::int64_t kMaxLayers = 65536;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorCode::kInvalidArgument,
              "balance: " + fmt::format(text, std::forward<Args>(args)...));
}

void check_sizes(const Deployment& d, std::int64_t experts) {
  const auto positive = [](std::string_view name, std::int64_t value) {
    if (value >= 1) return;
    refuse("{} is {}; it needs 1 or more", name, value);
  };
  positive("the number of experts", experts);
  positive("num_replicas", d.num_replicas);
  positive("num_groups", d.num_groups);
  positive("num_nodes", d.num_nodes);
  positive("num_gpus", d.num_gpus);
  if (d.num_replicas > kMaxReplicas) {
    refuse("num_replicas is {}; it needs at most {}: plan parts of the deployment by themselves",
           d.num_replicas, kMaxReplicas);
  }
  if (d.num_replicas < experts) {
    refuse("num_replicas is {} for {} experts; every expert needs a slot: use {} or more",
           d.num_replicas, experts, experts);
  }
  if (experts % d.num_groups != 0) {
    refuse(
        "num_groups is {}, which does not divide the {} experts; groups are of one size: use the "
        "model's number of routing groups, or 1",
        d.num_groups, experts);
  }
  if (d.num_gpus % d.num_nodes != 0) {
    refuse(
        "num_gpus is {}, which is no multiple of num_nodes, {}; nodes have the same number of "
        "GPUs: plan different nodes by themselves",
        d.num_gpus, d.num_nodes);
  }
  if (d.num_gpus > d.num_replicas) {
    refuse("num_gpus is {} for {} replicas; every GPU needs a slot: use {} replicas or more",
           d.num_gpus, d.num_replicas, d.num_gpus);
  }
}

void set_slots(const Deployment& d, BalanceProblem& problem) {
  std::vector<std::int64_t> slots = d.slots_per_gpu;
  if (slots.empty()) {
    if (d.num_replicas % d.num_gpus != 0) {
      refuse(
          "num_replicas is {}, which is no multiple of num_gpus, {}; GPUs have the same number "
          "of slots: use {}, or give slots_per_gpu",
          d.num_replicas, d.num_gpus, (d.num_replicas + d.num_gpus - 1) / d.num_gpus * d.num_gpus);
    }
    slots.assign(static_cast<std::size_t>(d.num_gpus), d.num_replicas / d.num_gpus);
  }
  if (static_cast<std::int64_t>(slots.size()) != d.num_gpus) {
    refuse("slots_per_gpu has {} entries; it needs {}, one for each GPU", slots.size(), d.num_gpus);
  }
  problem.slot_begin = {0};
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    if (slots[gpu] < 1 || slots[gpu] > d.num_replicas) {
      refuse("slots_per_gpu[{}] is {}; it needs 1 to num_replicas, {}", gpu, slots[gpu],
             d.num_replicas);
    }
    if (slots[gpu] != slots[0]) problem.uniform = false;
    problem.slot_begin.push_back(problem.slot_begin.back() + static_cast<int>(slots[gpu]));
    problem.gpu_of_slot.insert(problem.gpu_of_slot.end(), slots[gpu], gpu);
  }
  if (problem.slot_begin.back() != d.num_replicas) {
    refuse("slots_per_gpu adds up to {}; it needs num_replicas, {}", problem.slot_begin.back(),
           d.num_replicas);
  }
}

void set_speed(const Deployment& d, BalanceProblem& problem) {
  problem.speed = d.gpu_speed;
  if (problem.speed.empty()) problem.speed.assign(problem.gpus, 1.0);
  if (static_cast<int>(problem.speed.size()) != problem.gpus) {
    refuse("gpu_speed has {} entries; it needs {}, one for each GPU", problem.speed.size(),
           problem.gpus);
  }
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    const double speed = problem.speed[gpu];
    if (!(speed >= 1e-6 && speed <= 1e6)) {
      refuse("gpu_speed[{}] is {}; it needs a number from 1e-6 to 1e6, 1 for the usual GPU", gpu,
             speed);
    }
    if (speed != problem.speed[0]) problem.uniform = false;
  }
}

void set_domains(BalanceProblem& problem) {
  const int domains = problem.by_node ? problem.nodes : 1;
  const int gpus = problem.gpus / domains;
  for (int d = 0; d < domains; ++d) {
    const int begin = d * gpus, end = begin + gpus;
    problem.domains.push_back({begin, end, problem.slot_begin[begin], problem.slot_begin[end]});
    const int slots = problem.slot_begin[end] - problem.slot_begin[begin];
    if (slots < problem.experts / domains) {
      refuse(
          "node {} has {} slots for the {} experts of its groups; it needs a slot for each: move "
          "slots there, or use a num_groups that is no multiple of num_nodes",
          d, slots, problem.experts / domains);
    }
  }
}

}  // namespace

plan::BalanceProblem check_deployment(const Deployment& deployment, std::int64_t experts) {
  check_sizes(deployment, experts);
  BalanceProblem problem;
  problem.experts = static_cast<int>(experts);
  problem.replicas = static_cast<int>(deployment.num_replicas);
  problem.groups = static_cast<int>(deployment.num_groups);
  problem.nodes = static_cast<int>(deployment.num_nodes);
  problem.gpus = static_cast<int>(deployment.num_gpus);
  problem.by_node = problem.groups % problem.nodes == 0;
  set_slots(deployment, problem);
  set_speed(deployment, problem);
  set_domains(problem);
  return problem;
}

void check_loads(const balance::Loads& loads) {
  if (loads.layers < 1 || loads.layers > kMaxLayers) {
    refuse("loads has {} layers; it needs 1 to {}", loads.layers, kMaxLayers);
  }
  if (loads.experts < 1 || loads.experts > kMaxReplicas) {
    refuse("loads has {} experts; it needs 1 to {}", loads.experts, kMaxReplicas);
  }
  if (static_cast<std::int64_t>(loads.values.size()) != loads.layers * loads.experts) {
    refuse("loads has {} values; {} layers of {} experts need {}", loads.values.size(),
           loads.layers, loads.experts, loads.layers * loads.experts);
  }
  for (std::size_t i = 0; i < loads.values.size(); ++i) {
    if (std::isfinite(loads.values[i]) && loads.values[i] >= 0) continue;
    refuse(
        "the load of expert {} in layer {} is {}; loads are finite numbers of 0 or more: count "
        "tokens anew, or use 0 for an expert that was not measured",
        static_cast<std::int64_t>(i) % loads.experts, static_cast<std::int64_t>(i) / loads.experts,
        loads.values[i]);
  }
}

void check_options(const balance::Options& options, const BalanceProblem& problem) {
  if (options.policy != Policy::kPublished && options.policy != Policy::kBetter) {
    refuse("policy is {}; it needs one of the values of Policy, 1 or 2",
           static_cast<std::int32_t>(options.policy));
  }
  if (!(options.time_budget_s >= 0)) {
    refuse("time_budget_s is {}; it needs 0 or more seconds", options.time_budget_s);
  }
  if (options.max_moves >= 0 && options.current.empty()) {
    refuse("max_moves is {}, but there is no current placement to count moves from; give one",
           options.max_moves);
  }
  if (options.policy == Policy::kBetter) return;
  if (!problem.uniform) {
    refuse(
        "slots_per_gpu or gpu_speed differ; the published policy knows equal GPUs only: use the "
        "better one");
  }
  if (options.max_moves >= 0) {
    refuse("max_moves is {}; the published policy cannot limit moves: use the better one",
           options.max_moves);
  }
}

std::vector<plan::BalancePlacement> check_placements(const BalanceProblem& problem,
                                                     std::span<const std::int64_t> given,
                                                     std::int64_t layers, std::string_view name,
                                                     bool keep_groups) {
  if (static_cast<std::int64_t>(given.size()) != layers * problem.replicas) {
    refuse(
        "{} has {} entries; {} layers of {} slots need {}: plan without it when the number of "
        "slots has changed",
        name, given.size(), layers, problem.replicas, layers * problem.replicas);
  }
  BalanceProblem rules = problem;
  rules.by_node = problem.by_node && keep_groups;
  std::vector<plan::BalancePlacement> placements;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    plan::BalancePlacement placement;
    std::string broken;
    for (const std::int64_t expert : given.subspan(layer * problem.replicas, problem.replicas)) {
      const bool known = expert >= 0 && expert < problem.experts;
      if (!known && broken.empty()) {
        broken = fmt::format("slot {} holds expert {}; experts are 0 to {}", placement.size(),
                             expert, problem.experts - 1);
      }
      placement.push_back(known ? static_cast<int>(expert) : -1);
    }
    if (broken.empty()) broken = reference::broken_rule(rules, placement);
    if (!broken.empty()) {
      refuse("{}, layer {}: {}; every slot needs a known expert, every expert a slot{}", name,
             layer, broken,
             rules.by_node ? ", and the experts of a group one node: plan without it once, or use "
                             "the num_groups and num_nodes that it was made with"
                           : "");
    }
    placements.push_back(std::move(placement));
  }
  return placements;
}

}  // namespace fathom::api
