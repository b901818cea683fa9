// Reading timings, and the regret of the cost model on them. Test support.
#include "support/gemm_timings.hpp"

#include <cctype>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <tuple>

namespace fathom::testing {
namespace {

plan::GemmProblem problem_of(const GemmTiming& row) {
  plan::GemmProblem p;
  p.m = row.m;
  p.n = row.n;
  p.k = row.k;
  const plan::GemmConfig& config = row.config;
  p.out = config.output == device::gemm::Output::kFp32 ? DType::kFp32 : DType::kBf16;
  if (config.scale_b == device::gemm::ScaleB::k1x128) p.scale_b_block = plan::ScaleBBlock::k1x128;
  p.form = row.groups.form;
  p.num_groups = row.groups.count;
  p.expected_m = row.groups.expected_m;
  if (p.grouped()) {
    p.a.row_stride = p.b.row_stride = row.k;
    p.d.row_stride = row.n;
    p.a.group_stride = row.m * row.k;
    p.b.group_stride = row.n * row.k;
    p.d.group_stride = row.m * row.n;
  }
  return p;
}

Groups::Form form_of(const std::string& layout) {
  if (layout == "offsets") return Groups::Form::kOffsets;
  if (layout == "row_group") return Groups::Form::kRowGroup;
  if (layout == "masked") return Groups::Form::kMasked;
  throw std::runtime_error("no layout \"" + layout + "\"");
}

TimedGroups groups_of(const nlohmann::json& problem) {
  if (!problem.contains("layout")) return {};
  return {form_of(problem.at("layout")), problem.at("groups"), problem.at("expected_m"),
          problem.at("name")};
}

std::optional<plan::GemmConfig> config_of(const std::string& tag) {
  for (const plan::GemmConfig& config : plan::gemm_configs())
    if (tag_without_stages(plan::gemm_tag(config)) == tag_without_stages(tag)) return config;
  return std::nullopt;
}

}  // namespace

std::string tag_without_stages(std::string tag) {
  const std::size_t begin = tag.find("_s");
  const std::size_t end = begin == std::string::npos ? begin : tag.find('_', begin + 1);
  if (end != std::string::npos && std::isdigit(static_cast<unsigned char>(tag[begin + 2])) != 0)
    tag.erase(begin, end - begin);
  return tag;
}

GemmTimings read_gemm_timings(const std::string& path) try {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot be opened");
  const nlohmann::json json = nlohmann::json::parse(file);
  GemmTimings timings;
  timings.device = plan::device_from({.name = json.at("gpu")});
  for (const auto& problem : json.at("problems")) {
    const TimedGroups groups = groups_of(problem);
    for (const auto& [tag, us] : problem.at("us").items()) {
      if (const auto config = config_of(tag))
        timings.rows.push_back(
            {problem.at("m"), problem.at("n"), problem.at("k"), *config, us, groups});
    }
  }
  return timings;
} catch (const std::exception& error) {
  throw std::runtime_error(path + ": " + error.what());
}

double modelled_us(const GemmTiming& row, const plan::DeviceSpec& device,
                   const plan::GemmCostCoefficients& coefficients) {
  const plan::GemmProblem problem = problem_of(row);
  if (!plan::why_not(row.config, problem, device).empty()) return 0;
  return plan::price_gemm(row.config, problem, device, coefficients).cost.total_us;
}

std::vector<GemmRegret> gemm_regrets(const GemmTimings& timings,
                                     const plan::GemmCostCoefficients& coefficients) {
  struct Entry {
    GemmRegret regret;
    double modelled = 0;
  };
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, TimedGroups>, Entry> problems;
  for (const GemmTiming& row : timings.rows) {
    const double modelled = modelled_us(row, timings.device, coefficients);
    auto [it, first] =
        problems.try_emplace({row.m, row.n, row.k, row.groups}, Entry{{row, row, 0}, modelled});
    Entry& entry = it->second;
    if (modelled < entry.modelled) {
      entry.modelled = modelled;
      entry.regret.chosen = row;
    }
    if (row.us < entry.regret.best.us) entry.regret.best = row;
  }
  std::vector<GemmRegret> regrets;
  for (auto& [key, entry] : problems) {
    entry.regret.regret = entry.regret.chosen.us / entry.regret.best.us - 1;
    regrets.push_back(entry.regret);
  }
  return regrets;
}

}  // namespace fathom::testing
