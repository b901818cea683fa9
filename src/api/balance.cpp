// Load balancing: check, plan each layer, gather the tables. Front end.
#include <fmt/format.h>
#include <fathom/balance.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "api/balance_check.hpp"
#include "plan/balance_bound.hpp"
#include "plan/balance_planner.hpp"
#include "plan/balance_published.hpp"
#include "plan/balance_router.hpp"
#include "plan/balance_transfers.hpp"
#include "reference/balance.hpp"

namespace fathom::balance {
namespace {

using plan::BalancePlacement;
using plan::BalanceProblem;

struct LayerPlan {
  BalancePlacement expert_of_slot;
  std::vector<int> replica_of_slot;
};

/// Replica numbers by ascending slot.
std::vector<int> number_replicas(const BalanceProblem& problem, const BalancePlacement& placement) {
  std::vector<int> count(problem.experts, 0), replica;
  for (const int expert : placement) replica.push_back(count[expert]++);
  return replica;
}

LayerReport report(const BalanceProblem& problem, std::span<const float> loads,
                   const BalancePlacement& placement, const BalancePlacement& current,
                   std::int64_t max_moves) {
  const std::vector<double> gpu = reference::gpu_loads(problem, loads, placement);
  LayerReport result;
  result.max_load = *std::max_element(gpu.begin(), gpu.end());
  result.mean_load = plan::mean_load(problem, loads);
  // Sums in another order may differ in the last bits: a bound is never above what was reached.
  result.bound =
      std::min(plan::max_load_bound_near(problem, loads, current, max_moves), result.max_load);
  result.moves = current.empty() ? 0 : reference::moves(problem, current, placement);
  result.duplicates = reference::duplicates(problem, placement);
  return result;
}

class Planning {
 public:
  Planning(const Loads& loads, const Deployment& deployment, const Options& options)
      : loads_(loads), options_(options), start_(std::chrono::steady_clock::now()) {
    api::check_loads(loads);
    problem_ = api::check_deployment(deployment, loads.experts);
    api::check_options(options, problem_);
    if (!options.current.empty()) {
      current_ = api::check_placements(problem_, options.current, loads.layers, "current",
                                       options.policy == Policy::kBetter);
    }
  }

  Plan run() {
    Plan result;
    result.layers = loads_.layers;
    result.experts = loads_.experts;
    result.replicas = problem_.replicas;
    std::vector<LayerPlan> layers;
    for (std::int64_t layer = 0; layer < loads_.layers; ++layer) {
      layers.push_back(plan_layer(layer));
      result.reports.push_back(report(problem_, layer_loads(layer), layers.back().expert_of_slot,
                                      current(layer), options_.max_moves));
    }
    fill_tables(layers, result);
    return result;
  }

 private:
  std::span<const float> layer_loads(std::int64_t layer) const {
    return loads_.values.subspan(layer * loads_.experts, loads_.experts);
  }
  BalancePlacement current(std::int64_t layer) const {
    return current_.empty() ? BalancePlacement{} : current_[layer];
  }

  LayerPlan plan_layer(std::int64_t layer) {
    if (options_.policy == Policy::kPublished) {
      plan::PublishedPlan published = plan::balance_published(problem_, layer_loads(layer));
      return {std::move(published.expert_of_slot), std::move(published.replica_of_slot)};
    }
    // What a layer leaves of its share of the budget goes to those after it.
    const double share =
        (options_.time_budget_s - seconds()) / static_cast<double>(loads_.layers - layer);
    const double until = seconds() + share;
    plan::BalanceRequest request;
    request.current = current(layer);
    request.max_moves = options_.max_moves;
    request.out_of_time = [this, until] { return seconds() >= until; };
    LayerPlan result;
    result.expert_of_slot = plan::balance_better(problem_, layer_loads(layer), request);
    result.replica_of_slot = number_replicas(problem_, result.expert_of_slot);
    return result;
  }

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  void fill_tables(const std::vector<LayerPlan>& layers, Plan& result) const {
    const std::size_t experts = loads_.experts;
    result.logcnt.assign(loads_.layers * experts, 0);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      for (const int expert : layers[layer].expert_of_slot) {
        result.phy2log.push_back(expert);
        ++result.logcnt[layer * experts + expert];
      }
    }
    result.max_count = *std::max_element(result.logcnt.begin(), result.logcnt.end());
    result.log2phy.assign(result.logcnt.size() * result.max_count, -1);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      for (int slot = 0; slot < problem_.replicas; ++slot) {
        const std::size_t row = layer * experts + layers[layer].expert_of_slot[slot];
        result.log2phy[row * result.max_count + layers[layer].replica_of_slot[slot]] = slot;
      }
    }
  }

  Loads loads_;
  Options options_;
  BalanceProblem problem_;
  std::vector<BalancePlacement> current_;
  std::chrono::steady_clock::time_point start_;
};

void check_limits(const LinkLimits& limits) {
  const auto refuse = [](const char* name, std::int64_t value, int least) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("balance: {} is {}; it needs {} or more{}", name, value, least,
                            least == 0 ? ", 0 for no limit" : ""));
  };
  if (limits.sends_per_gpu < 1) refuse("sends_per_gpu", limits.sends_per_gpu, 1);
  if (limits.receives_per_gpu < 1) refuse("receives_per_gpu", limits.receives_per_gpu, 1);
  if (limits.sends_per_node < 0) refuse("sends_per_node", limits.sends_per_node, 0);
  if (limits.receives_per_node < 0) refuse("receives_per_node", limits.receives_per_node, 0);
}

}  // namespace

std::string_view to_string(Policy policy) {
  switch (policy) {
    case Policy::kPublished:
      return "published";
    case Policy::kBetter:
      return "better";
  }
  return "unknown";
}

Plan make_plan(const Loads& loads, const Deployment& deployment, const Options& options) {
  return Planning(loads, deployment, options).run();
}

std::vector<double> gpu_loads(const Loads& loads, const Deployment& deployment,
                              std::span<const std::int64_t> phy2log) {
  api::check_loads(loads);
  const BalanceProblem problem = api::check_deployment(deployment, loads.experts);
  const std::vector<BalancePlacement> placements =
      api::check_placements(problem, phy2log, loads.layers, "phy2log", false);
  std::vector<double> result;
  for (std::int64_t layer = 0; layer < loads.layers; ++layer) {
    const std::vector<double> gpu = reference::gpu_loads(
        problem, loads.values.subspan(layer * loads.experts, loads.experts), placements[layer]);
    result.insert(result.end(), gpu.begin(), gpu.end());
  }
  return result;
}

RouterTable make_router_table(const Plan& plan, const Deployment& deployment, std::int64_t layer) {
  const BalanceProblem problem = api::check_deployment(deployment, plan.experts);
  if (layer < 0 || layer >= plan.layers) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("balance: layer is {}; the plan has layers 0 to {}", layer, plan.layers - 1));
  }
  const std::vector<BalancePlacement> placements =
      api::check_placements(problem, plan.phy2log, plan.layers, "the plan's phy2log", false);
  std::vector<std::vector<int>> slots(problem.experts);
  for (int slot = 0; slot < problem.replicas; ++slot)
    slots[placements[layer][slot]].push_back(slot);
  RouterTable table;
  table.experts = plan.experts;
  for (const std::vector<int>& of_expert : slots) {
    table.counts.push_back(static_cast<std::int64_t>(of_expert.size()));
  }
  table.max_count = *std::max_element(table.counts.begin(), table.counts.end());
  table.slots = plan::balance_router_table(problem, slots, static_cast<int>(table.max_count));
  return table;
}

std::vector<Transfer> transfers(std::span<const std::int64_t> current,
                                std::span<const std::int64_t> next, const Deployment& deployment,
                                const LinkLimits& limits) {
  check_limits(limits);
  // The number of experts is not given; both placements hold every one of them.
  const std::int64_t last =
      current.empty() ? -1 : *std::max_element(current.begin(), current.end());
  const std::int64_t experts = std::min(last, INT64_MAX - 1) + 1;
  Deployment ungrouped = deployment;
  ungrouped.num_groups = 1;
  BalanceProblem problem = api::check_deployment(ungrouped, experts);
  const auto before = api::check_placements(problem, current, 1, "current", false);
  const auto after = api::check_placements(problem, next, 1, "next", false);
  return plan::balance_transfers(problem, before.front(), after.front(), limits);
}

}  // namespace fathom::balance
