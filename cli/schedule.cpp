// fathom schedule: the tiles of a product, in the order in which a GPU would compute them, so that
// somebody else can check them. Command-line layer; computes nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fathom/error.hpp>
#include <fathom/gemm.hpp>
#include <memory>
#include <numeric>
#include <vector>

#include "api/gemm_check.hpp"
#include "groups_file.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "plan/gemm_planner.hpp"
#include "plan/gemm_tiles.hpp"
#include "problem_flags.hpp"
#include "problem_views.hpp"
#include "reference/gemm.hpp"

namespace fathom::cli {
namespace {

struct ScheduleFlags {
  ProblemFlags problem;
  std::optional<std::int64_t> m, n, k, num_groups;
  std::int64_t expected_m = 0;
  std::optional<std::string> groups_file;
  std::string device = "h200";
  std::optional<std::int64_t> sms;
};

/// The problem, and its metadata as a kernel would read it.
struct Case {
  GemmOperands operands;
  std::vector<std::int32_t> index;
};

// A tile takes 1.4 KB and 6 us to list: more than these are for no reader.
constexpr double kMostTiles = 1e6;

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "schedule: " + message);
}

/// Rows of a that the file speaks of (masked: of each group).
std::int64_t rows_of(const GroupsFile& groups) {
  if (groups.form == Groups::Form::kMasked) return groups.max_m;
  if (groups.form == Groups::Form::kRowGroup) return static_cast<std::int64_t>(groups.index.size());
  return *std::max_element(groups.index.begin(), groups.index.end());
}

GroupsFile groups_of(ScheduleFlags& flags) {
  GroupsFile groups = read_groups_file(*flags.groups_file, flags.problem.layout);
  flags.problem.layout = layout_name(groups.form);
  flags.problem.alignment = groups.alignment.value_or(flags.problem.alignment);
  return groups;
}

/// A number that the file implies, unless the flag says a larger one.
std::int64_t at_least(std::int64_t implied, const std::optional<std::int64_t>& given,
                      const char* flag) {
  if (!given) return implied;
  const std::int64_t value = required_extent(given, flag);
  if (value < implied)
    fail(
        fmt::format("{} is {}, but the groups file speaks of {}; give that or more, or leave {} "
                    "out",
                    flag, value, implied, flag));
  return value;
}

void refuse_num_groups(const ScheduleFlags& flags) {
  if (flags.num_groups) fail("--num-groups is for a groups file of row_group; leave it out");
}

Case case_of(ScheduleFlags flags) {
  ProblemSize size;
  size.n = required_extent(flags.n, "--n", 1);
  size.k = required_extent(flags.k, "--k", 1);
  size.expected_m = flags.expected_m;
  Case result;
  if (!flags.groups_file) {
    if (flags.problem.form() != Groups::Form::kNone)
      fail(fmt::format("--layout {} needs --groups FILE.json", flags.problem.layout));
    refuse_num_groups(flags);
    size.m = required_extent(flags.m, "--m");
    result.operands = problem_views(flags.problem, size);
    return result;
  }
  const GroupsFile groups = groups_of(flags);
  const bool masked = groups.form == Groups::Form::kMasked;
  if (masked && flags.m) fail("--m is given and the groups file has its max_m; leave --m out");
  if (groups.form != Groups::Form::kRowGroup) refuse_num_groups(flags);
  size.m = masked ? required_extent(groups.max_m, "max_m")
                  : required_extent(at_least(rows_of(groups), flags.m, "--m"), "--m");
  const std::int64_t implied = groups_implied(groups.form, groups.index);
  size.num_groups = groups.form == Groups::Form::kRowGroup
                        ? at_least(implied, flags.num_groups, "--num-groups")
                        : implied;
  result.operands = problem_views(flags.problem, size);
  result.index.assign(groups.index.begin(), groups.index.end());
  return result;
}

/// Before any is made. In floating point: the product may pass 64 bits.
void check_tiles(const plan::GemmPlan& plan, const plan::GemmProblem& problem,
                 const std::vector<std::int32_t>& index) {
  const double rows = problem.form == Groups::Form::kMasked
                          ? std::accumulate(index.begin(), index.end(), 0.0)
                          : static_cast<double>(problem.m);
  // Every group may end with a tile that it does not fill.
  const double down = rows / plan.config.block_m + static_cast<double>(problem.num_groups);
  const double across = std::ceil(static_cast<double>(problem.n) / plan.config.block_n);
  if (down * across <= kMostTiles) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("schedule: the product has about {:.0f} tiles of {} x {}; at most {:.0f} "
                          "can be listed; make the problem smaller",
                          down * across, plan.config.block_m, plan.config.block_n, kMostTiles));
}

Json tile_json(const plan::LaunchTile& tile) {
  return Json{{"cta", tile.cta},   {"step", tile.step},       {"group", tile.group},
              {"row0", tile.row0}, {"rows", tile.rows},       {"col0", tile.col0},
              {"cols", tile.cols}, {"cluster", tile.cluster}, {"multicast", tile.multicast}};
}

Report schedule(const ScheduleFlags& flags) {
  const Case c = case_of(flags);
  const plan::GemmProblem problem =
      api::check_gemm(c.operands, options_of(flags.problem, flags.sms));
  if (problem.grouped()) {
    Groups groups = c.operands.groups;
    groups.index.data = const_cast<std::int32_t*>(c.index.data());
    reference::row_groups(problem, groups);  // refuses what breaks the rules
  }
  const plan::DeviceSpec device = plan::find_device(flags.device).value();
  const plan::GemmPlan plan = plan::plan_gemm(problem, device);
  check_tiles(plan, problem, c.index);
  const std::vector<plan::LaunchTile> tiles = plan::launch_tiles(plan, problem, c.index.data());

  Json json = new_object();
  json["op"] = "gemm";
  json["layout"] = layout_name(problem.form);
  json["device"] = {{"name", device.name}, {"sms", device.num_sms}};
  json["config"] = plan::gemm_tag(plan.config);
  json["grid"] = plan.launch.grid;
  json["cluster_size"] = plan.launch.cluster;
  json["block_m"] = plan.config.block_m;
  json["block_n"] = plan.config.block_n;
  json["m"] = problem.m;
  json["n"] = problem.n;
  json["k"] = problem.k;
  json["groups"] = problem.num_groups;
  json["tiles"] = Json::array();
  std::string text = fmt::format(
      "{} on {}: {} of {} x {}, {} in clusters of {}\n\n{:>6} {:>6} {:>8} "
      "{:>6} {:>10} {:>5} {:>8} {:>5}  multicast\n",
      plan::gemm_tag(plan.config), device.name, counted(tiles.size(), "tile"), plan.config.block_m,
      plan.config.block_n, counted(plan.launch.grid, "CTA"), plan.launch.cluster, "cta", "step",
      "cluster", "group", "row0", "rows", "col0", "cols");
  for (const plan::LaunchTile& tile : tiles) {
    json["tiles"].push_back(tile_json(tile));
    text += fmt::format("{:>6} {:>6} {:>8} {:>6} {:>10} {:>5} {:>8} {:>5}  {}\n", tile.cta,
                        tile.step, tile.cluster, tile.group, tile.row0, tile.rows, tile.col0,
                        tile.cols, tile.multicast ? "yes" : "no");
  }
  return make_report(json, text);
}

}  // namespace

Action add_schedule(CLI::App& verb) {
  auto flags = std::make_shared<ScheduleFlags>();
  add_problem_flags(verb, flags->problem);
  add_extents(verb,
              "Rows of a and d; with --groups they follow from the file, and a larger number "
              "adds rows at the end that belong to no group (masked: leave it out)",
              flags->m, flags->n, flags->k);
  verb.add_option("--groups", flags->groups_file, "A groups file (JSON), see fathom verify --help")
      ->type_name("FILE.json");
  verb.add_option("--num-groups", flags->num_groups,
                  "row_group: number of groups, where groups past the last of the file have no "
                  "rows")
      ->type_name("G")
      ->check(whole_number(1));
  add_expected_m(verb, flags->expected_m);
  std::vector<std::string> devices;
  for (const plan::DeviceSpec& device : plan::known_devices()) devices.push_back(device.name);
  add_choice(verb, "--device", flags->device, devices, "The GPU to plan for");
  add_sms(verb, flags->sms);
  verb.footer(
      "Needs no GPU: the order comes from the functions that the kernels use. cluster counts the\n"
      "clusters of the grid, step the tiles that it has done before; row0 counts rows of d "
      "(masked:\n"
      "group * max_m + row); rows and cols are those that are stored. A tile split along k is\n"
      "listed once, with the first CTA that takes part; eight of the last columns that a tile "
      "takes\n"
      "beside its own (a strip) follow it.\n"
      "Examples:\n"
      "  fathom schedule --op gemm --n 4096 --k 7168 --layout offsets --groups groups.json "
      "--device h200 --json\n"
      "  fathom schedule --m 300 --n 2112 --k 7168 --sms 78\n");
  return [flags](const CommonFlags&) { return schedule(*flags); };
}

}  // namespace fathom::cli
