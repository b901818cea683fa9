// The load balancer's part of the C ABI. Front end; decides nothing.
#include <fathom/balance.hpp>
#include <vector>

#include "api/c_support.hpp"

struct fathom_balance_plan {
  fathom::balance::Plan plan;
  fathom::balance::Deployment deployment;
  std::vector<std::int64_t> current;
};

namespace {

using fathom::api::guarded;
using fathom::api::read_struct;
using fathom::api::refuse;
using fathom::api::required;
using fathom::balance::Deployment;
using fathom::balance::LinkLimits;
using fathom::balance::Options;

static_assert(FATHOM_BALANCE_BETTER == static_cast<int>(fathom::balance::Policy::kBetter));

// Products of sizes that are not checked yet must not overflow; the library's own limits are lower.
constexpr std::int64_t kMostEntries = std::int64_t{1} << 30;

struct Arguments {
  fathom::balance::Loads loads;
  Deployment deployment;
  Options options;
};

std::int64_t or_one(std::int64_t value) {
  return value == 0 ? 1 : value;
}

/// The number of entries of an array [rows, cols] that the caller gives by a pointer.
std::size_t entries(std::string_view name, std::int64_t rows, std::int64_t cols) {
  if (rows >= 0 && cols >= 0 && (cols == 0 || rows <= kMostEntries / cols)) {
    return static_cast<std::size_t>(rows * cols);
  }
  refuse(
      "fathom_balance_plan_create: {} is [{}, {}]; it needs extents of 0 or more and at most {} "
      "entries",
      name, rows, cols, kMostEntries);
}

Deployment read_deployment(const fathom_balance_args& c) {
  Deployment deployment;
  deployment.num_replicas = c.num_replicas;
  deployment.num_groups = or_one(c.num_groups);
  deployment.num_nodes = or_one(c.num_nodes);
  deployment.num_gpus = or_one(c.num_gpus);
  if (c.slots_per_gpu != nullptr) {
    const std::size_t gpus = entries("slots_per_gpu", deployment.num_gpus, 1);
    deployment.slots_per_gpu.assign(c.slots_per_gpu, c.slots_per_gpu + gpus);
  }
  if (c.gpu_speed != nullptr) {
    const std::size_t gpus = entries("gpu_speed", deployment.num_gpus, 1);
    deployment.gpu_speed.assign(c.gpu_speed, c.gpu_speed + gpus);
  }
  return deployment;
}

Arguments read_arguments(const fathom_balance_args* given) {
  constexpr std::string_view kFunction = "fathom_balance_plan_create";
  const auto c = read_struct(given, kFunction, "fathom_balance_args");
  fathom::api::check_flags(c.flags, FATHOM_BALANCE_LIMIT_MOVES, kFunction);
  if (c.reserved != 0) refuse("{}: reserved is {}; it needs 0", kFunction, c.reserved);
  const bool limited = (c.flags & FATHOM_BALANCE_LIMIT_MOVES) != 0;
  if (limited ? c.max_moves < 0 : c.max_moves != 0) {
    refuse("{}: max_moves is {}; it needs 0 or more with FATHOM_BALANCE_LIMIT_MOVES, 0 without",
           kFunction, c.max_moves);
  }
  Arguments result;
  result.loads = {c.layers,
                  c.experts,
                  {required(c.loads, kFunction, "loads"), entries("loads", c.layers, c.experts)}};
  result.deployment = read_deployment(c);
  if (c.policy != 0) result.options.policy = static_cast<fathom::balance::Policy>(c.policy);
  if (c.current != nullptr) {
    result.options.current = {c.current, entries("current", c.layers, c.num_replicas)};
  }
  if (limited) result.options.max_moves = c.max_moves;
  if (c.time_budget_s != 0) result.options.time_budget_s = std::max(c.time_budget_s, 0.0);
  return result;
}

void check_layer(const fathom_balance_plan& plan, std::int64_t layer, std::string_view function) {
  if (layer >= 0 && layer < plan.plan.layers) return;
  refuse("{}: layer is {}; the plan has layers 0 to {}", function, layer, plan.plan.layers - 1);
}

LinkLimits read_links(const fathom_balance_links* given, std::string_view function) {
  if (given == nullptr) return {};
  const auto c = read_struct(given, function, "fathom_balance_links");
  return {or_one(c.sends_per_gpu), or_one(c.receives_per_gpu), c.sends_per_node,
          c.receives_per_node};
}

}  // namespace

fathom_status fathom_balance_plan_create(const fathom_balance_args* args,
                                         fathom_balance_plan** plan) {
  return guarded([&] {
    required(plan, "fathom_balance_plan_create", "plan");
    const Arguments call = read_arguments(args);
    const auto& current = call.options.current;
    *plan = new fathom_balance_plan{
        fathom::balance::make_plan(call.loads, call.deployment, call.options),
        call.deployment,
        {current.begin(), current.end()}};
  });
}

fathom_status fathom_balance_plan_max_count(const fathom_balance_plan* plan, int64_t* max_count) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_balance_plan_max_count";
    *required(max_count, kFunction, "max_count") =
        required(plan, kFunction, "plan")->plan.max_count;
  });
}

fathom_status fathom_balance_plan_tables(const fathom_balance_plan* plan, const int64_t** phy2log,
                                         const int64_t** log2phy, const int64_t** logcnt) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_balance_plan_tables";
    required(plan, kFunction, "plan");
    required(phy2log, kFunction, "phy2log");
    required(log2phy, kFunction, "log2phy");
    *required(logcnt, kFunction, "logcnt") = plan->plan.logcnt.data();
    *phy2log = plan->plan.phy2log.data();
    *log2phy = plan->plan.log2phy.data();
  });
}

fathom_status fathom_balance_plan_report(const fathom_balance_plan* plan, int64_t layer,
                                         fathom_balance_report* report) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_balance_plan_report";
    const auto known = read_struct(report, kFunction, "fathom_balance_report");
    check_layer(*required(plan, kFunction, "plan"), layer, kFunction);
    const auto& from = plan->plan.reports[static_cast<std::size_t>(layer)];
    const fathom_balance_report result = {known.struct_size, from.max_load, from.mean_load,
                                          from.bound,        from.moves,    from.duplicates};
    std::memcpy(report, &result, std::min(known.struct_size, sizeof result));
  });
}

fathom_status fathom_balance_plan_router_table(const fathom_balance_plan* plan, int64_t layer,
                                               int32_t* slots) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_balance_plan_router_table";
    check_layer(*required(plan, kFunction, "plan"), layer, kFunction);
    required(slots, kFunction, "slots");
    const auto table = fathom::balance::make_router_table(plan->plan, plan->deployment, layer);
    // This layer's own largest count may be below the plan's.
    const std::int64_t rows = static_cast<std::int64_t>(table.slots.size()) / table.max_count;
    std::fill_n(slots, rows * plan->plan.max_count, -1);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::copy_n(table.slots.begin() + row * table.max_count, table.max_count,
                  slots + row * plan->plan.max_count);
    }
  });
}

fathom_status fathom_balance_plan_transfers(const fathom_balance_plan* plan, int64_t layer,
                                            const fathom_balance_links* links,
                                            fathom_balance_transfer* transfers, int64_t capacity,
                                            int64_t* count) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_balance_plan_transfers";
    check_layer(*required(plan, kFunction, "plan"), layer, kFunction);
    required(count, kFunction, "count");
    if (capacity > 0) required(transfers, kFunction, "transfers");
    if (plan->current.empty()) {
      refuse(
          "{}: the plan was made without a current placement; give one to "
          "fathom_balance_plan_create",
          kFunction);
    }
    const std::int64_t slots = plan->plan.replicas;
    const auto row = [&](const std::vector<std::int64_t>& all) {
      return std::span(all).subspan(layer * slots, slots);
    };
    const auto all = fathom::balance::transfers(row(plan->current), row(plan->plan.phy2log),
                                                plan->deployment, read_links(links, kFunction));
    for (std::int64_t i = 0; i < std::min(capacity, static_cast<std::int64_t>(all.size())); ++i) {
      transfers[i] = {all[i].round, all[i].expert, all[i].from_slot, all[i].to_slot};
    }
    *count = static_cast<std::int64_t>(all.size());
  });
}

void fathom_balance_plan_destroy(fathom_balance_plan* plan) {
  delete plan;
}
