// fathom balance: which expert lives on which GPU. Command-line layer.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fathom/balance.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "balance_report.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "loads_file.hpp"
#include "output_file.hpp"

namespace fathom::cli {
namespace {

using balance::Deployment;
using balance::LayerReport;
using balance::Plan;

struct BalanceFlags {
  std::string loads, current;
  std::optional<std::string> svg;
  std::string policy = "better";
  Deployment deployment;
  std::int64_t max_moves = -1;  ///< no limit
  double time_budget_ms = 40;
};

struct Planned {
  LoadsFile file;
  std::vector<std::int64_t> current;
  Plan plan;
  std::vector<double> before, after;  ///< [layers, gpus]
  double seconds = 0;                 ///< of planning
  double cpu_seconds = 0;             ///< the same without what other processes took

  balance::Loads loads() const { return {file.layers, file.experts, file.values}; }
};

/// Experts in their order, the same number on each GPU as far as that goes, no replicas.
std::vector<double> plain_loads(const LoadsFile& file, const Deployment& deployment) {
  std::vector<double> loads(file.layers * deployment.num_gpus, 0.0);
  for (std::int64_t layer = 0; layer < file.layers; ++layer) {
    for (std::int64_t expert = 0; expert < file.experts; ++expert) {
      const std::int64_t gpu = expert * deployment.num_gpus / file.experts;
      const double speed = deployment.gpu_speed.empty() ? 1.0 : deployment.gpu_speed[gpu];
      loads[layer * deployment.num_gpus + gpu] +=
          file.values[layer * file.experts + expert] / speed;
    }
  }
  return loads;
}

/// The library speaks of its fields; here they are flags.
std::string with_flag_names(std::string message) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"num_replicas", "--replicas"},
      {"num_groups", "--groups"},
      {"num_nodes", "--nodes"},
      {"num_gpus", "--gpus"},
      {"slots_per_gpu", "--slots-per-gpu"},
      {"gpu_speed", "--gpu-speed"},
      {"max_moves", "--max-moves"},
  };
  for (const auto& [field, flag] : kNames) {
    for (std::size_t at = 0; (at = message.find(field, at)) != std::string::npos;) {
      message.replace(at, field.size(), flag);
    }
  }
  return message;
}

Planned make_planned(const BalanceFlags& flags) {
  Planned planned;
  planned.file = read_loads_file(flags.loads);
  if (!flags.current.empty()) planned.current = read_placement_file(flags.current);
  if (!(flags.time_budget_ms >= 0)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--time-budget is {}; it needs 0 or more milliseconds", flags.time_budget_ms));
  }
  balance::Options options;
  options.policy =
      flags.policy == "better" ? balance::Policy::kBetter : balance::Policy::kPublished;
  options.current = planned.current;
  options.max_moves = flags.max_moves;
  options.time_budget_s = flags.time_budget_ms * 1e-3;
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t cpu_start = std::clock();
  try {
    planned.plan = balance::make_plan(planned.loads(), flags.deployment, options);
  } catch (const Error& error) {
    throw Error(error.code(), with_flag_names(error.what()));
  }
  planned.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  planned.cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  planned.after = balance::gpu_loads(planned.loads(), flags.deployment, planned.plan.phy2log);
  planned.before = planned.current.empty()
                       ? plain_loads(planned.file, flags.deployment)
                       : balance::gpu_loads(planned.loads(), flags.deployment, planned.current);
  return planned;
}

double over_mean(double load, const LayerReport& report) {
  return report.mean_load > 0 ? load / report.mean_load : 1;
}

/// Of one layer, over the mean.
std::vector<double> layer_loads(const Planned& planned, const std::vector<double>& loads,
                                std::int64_t layer) {
  const std::size_t gpus = loads.size() / planned.plan.reports.size();
  std::vector<double> result;
  for (std::size_t gpu = 0; gpu < gpus; ++gpu) {
    result.push_back(over_mean(loads[layer * gpus + gpu], planned.plan.reports[layer]));
  }
  return result;
}

double max_before(const Planned& planned, std::int64_t layer) {
  const std::vector<double> loads = layer_loads(planned, planned.before, layer);
  return *std::max_element(loads.begin(), loads.end());
}

struct Worst {
  double before = 0, after = 0, bound = 0;
  std::int64_t layer = 0;                  ///< with the largest maximum after
  std::int64_t moves = 0, duplicates = 0;  ///< of all layers
};

Worst worst_of(const Planned& planned) {
  Worst worst;
  for (std::int64_t layer = 0; layer < planned.plan.layers; ++layer) {
    const LayerReport& report = planned.plan.reports[layer];
    if (report.max_over_mean() > worst.after) worst.layer = layer;
    worst.before = std::max(worst.before, max_before(planned, layer));
    worst.after = std::max(worst.after, report.max_over_mean());
    worst.bound = std::max(worst.bound, report.bound_over_mean());
    worst.moves += report.moves;
    worst.duplicates += report.duplicates;
  }
  return worst;
}

/// A flat array as nested lists with rows of the given lengths, innermost last.
Json nested(const std::vector<std::int64_t>& values, std::int64_t rows, std::int64_t cols) {
  Json json = Json::array();
  for (std::int64_t row = 0; row < rows; ++row) {
    json.push_back(
        std::vector<std::int64_t>(values.begin() + row * cols, values.begin() + (row + 1) * cols));
  }
  return json;
}

Json nested(const std::vector<std::int64_t>& values, std::int64_t layers, std::int64_t rows,
            std::int64_t cols) {
  Json json = Json::array();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto begin = values.begin() + layer * rows * cols;
    json.push_back(nested(std::vector<std::int64_t>(begin, begin + rows * cols), rows, cols));
  }
  return json;
}

Json layers_json(const Planned& planned) {
  Json layers = Json::array();
  for (std::int64_t layer = 0; layer < planned.plan.layers; ++layer) {
    const LayerReport& report = planned.plan.reports[layer];
    layers.push_back(Json{{"max_over_mean_before", max_before(planned, layer)},
                          {"max_over_mean", report.max_over_mean()},
                          {"bound", report.bound_over_mean()},
                          {"moves", report.moves},
                          {"duplicates", report.duplicates},
                          {"gpu_load_before", layer_loads(planned, planned.before, layer)},
                          {"gpu_load", layer_loads(planned, planned.after, layer)}});
  }
  return layers;
}

Json transfers_json(const Planned& planned, const BalanceFlags& flags) {
  Json json = Json::array();
  const Plan& plan = planned.plan;
  for (std::int64_t layer = 0; layer < plan.layers && !planned.current.empty(); ++layer) {
    const auto row = [&](const std::vector<std::int64_t>& all) {
      return std::span(all).subspan(layer * plan.replicas, plan.replicas);
    };
    for (const balance::Transfer& transfer :
         balance::transfers(row(planned.current), row(plan.phy2log), flags.deployment)) {
      json.push_back(Json{{"layer", layer},
                          {"round", transfer.round},
                          {"expert", transfer.expert},
                          {"from_slot", transfer.from_slot},
                          {"to_slot", transfer.to_slot}});
    }
  }
  return json;
}

std::string text_of(const Planned& planned, const BalanceFlags& flags, const Worst& worst,
                    const GpuLoads& shown) {
  const Deployment& d = flags.deployment;
  std::string text = fmt::format(
      "{} of {} in {} on {} of {}, policy {}\n"
      "maximum / mean load of a GPU; no placement is below the bound\n"
      "{:>8} {:>9} {:>9} {:>9} {:>7}\n",
      counted(planned.plan.layers, "layer"), counted(planned.plan.experts, "expert"),
      counted(d.num_replicas, "slot"), counted(d.num_gpus, "GPU"), counted(d.num_nodes, "node"),
      flags.policy, "layer", "before", "after", "bound", "moves");
  for (std::int64_t layer = 0; layer < planned.plan.layers; ++layer) {
    const LayerReport& report = planned.plan.reports[layer];
    text +=
        fmt::format("{:>8} {:>9.4f} {:>9.4f} {:>9.4f} {:>7}\n", layer, max_before(planned, layer),
                    report.max_over_mean(), report.bound_over_mean(), report.moves);
  }
  text += fmt::format("{:>8} {:>9.4f} {:>9.4f} {:>9.4f} {:>7}\n", "worst", worst.before,
                      worst.after, worst.bound, worst.moves);
  if (worst.duplicates > 0) {
    text += fmt::format("slots that repeat an expert of their GPU: {}\n", worst.duplicates);
  }
  text += fmt::format("planned in {:.1f} ms\n\n", planned.seconds * 1e3);
  return text + balance_bars(shown);
}

Report balance_loads(const BalanceFlags& flags) {
  if (flags.svg) refuse_input_as_output(*flags.svg, {flags.loads, flags.current});
  const Planned planned = make_planned(flags);
  const Plan& plan = planned.plan;
  const Deployment& d = flags.deployment;
  const Worst worst = worst_of(planned);
  const GpuLoads shown = {worst.layer, d.num_gpus / d.num_nodes,
                          plan.reports[worst.layer].bound_over_mean(),
                          layer_loads(planned, planned.before, worst.layer),
                          layer_loads(planned, planned.after, worst.layer)};
  if (flags.svg) {
    const std::string title =
        fmt::format("{} in {} on {}, layer {}, policy {}: load of each GPU over the mean",
                    counted(plan.experts, "expert"), counted(d.num_replicas, "slot"),
                    counted(d.num_gpus, "GPU"), worst.layer, flags.policy);
    write_text_file(*flags.svg, balance_svg(shown, title));
  }
  Json json = new_object();
  json["policy"] = flags.policy;
  json["layers"] = plan.layers;
  json["experts"] = plan.experts;
  json["replicas"] = d.num_replicas;
  json["groups"] = d.num_groups;
  json["nodes"] = d.num_nodes;
  json["gpus"] = d.num_gpus;
  json["max_over_mean_before"] = worst.before;
  json["max_over_mean"] = worst.after;
  json["bound"] = worst.bound;
  json["moves"] = worst.moves;
  json["duplicates"] = worst.duplicates;
  json["seconds"] = planned.seconds;
  json["cpu_seconds"] = planned.cpu_seconds;
  json["phy2log"] = nested(plan.phy2log, plan.layers, plan.replicas);
  json["log2phy"] = nested(plan.log2phy, plan.layers, plan.experts, plan.max_count);
  json["logcnt"] = nested(plan.logcnt, plan.layers, plan.experts);
  json["per_layer"] = layers_json(planned);
  json["transfers"] = transfers_json(planned, flags);
  return make_report(json, text_of(planned, flags, worst, shown));
}

}  // namespace

Action add_balance(CLI::App& verb) {
  auto flags = std::make_shared<BalanceFlags>();
  Deployment& d = flags->deployment;
  verb.add_option("--loads", flags->loads, "Expected load of each expert in each layer")
      ->type_name("FILE")
      ->required();
  verb.add_option("--replicas", d.num_replicas, "Slots of all GPUs together")
      ->type_name("P")
      ->check(whole_number(1))
      ->required();
  verb.add_option("--groups", d.num_groups, "Routing groups of the model")
      ->type_name("G")
      ->check(whole_number(1))
      ->capture_default_str();
  verb.add_option("--nodes", d.num_nodes, "Nodes")
      ->type_name("N")
      ->check(whole_number(1))
      ->capture_default_str();
  verb.add_option("--gpus", d.num_gpus, "GPUs of all nodes together")
      ->type_name("D")
      ->check(whole_number(1))
      ->required();
  add_choice(verb, "--policy", flags->policy, {"published", "better"},
             "published: the outputs of EPLB; better: a lower maximum, no avoidable duplicates");
  verb.add_option("--current", flags->current,
                  "The plan in use, an output of this verb with --json: change little")
      ->type_name("PLAN.json");
  verb.add_option("--max-moves", flags->max_moves,
                  "better: most experts of a layer that come to a GPU without them")
      ->type_name("M")
      ->check(whole_number(0));
  verb.add_option("--slots-per-gpu", d.slots_per_gpu,
                  "better: slots of each GPU, where they differ")
      ->type_name("S,...")
      ->check(whole_number(1))
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--gpu-speed", d.gpu_speed, "better: speed of each GPU, where they differ")
      ->type_name("V,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--time-budget", flags->time_budget_ms,
                  "better: milliseconds after which layers keep the best plan found")
      ->type_name("MS")
      ->capture_default_str();
  verb.add_option("--svg", flags->svg, "Draw the load of each GPU before and after, worst layer")
      ->type_name("FILE.svg");
  verb.footer(
      "A loads file is .json (a list of layers, each a list of numbers), .csv (a line for each\n"
      "layer) or .npy (an array [layers, experts]). Before: the plan in use, else the experts in\n"
      "their order without replicas. max_over_mean and bound are those of the worst layer, moves\n"
      "those of all layers. See docs/balance.md.\n"
      "Examples:\n"
      "  fathom balance --loads loads.json --replicas 288 --groups 8 --nodes 4 --gpus 32\n"
      "  fathom balance --loads loads.npy --replicas 288 --gpus 144 --policy published --json\n");
  return [flags](const CommonFlags&) { return balance_loads(*flags); };
}

}  // namespace fathom::cli
