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
  return p;
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
    for (const auto& [tag, us] : problem.at("us").items()) {
      if (const auto config = config_of(tag))
        timings.rows.push_back({problem.at("m"), problem.at("n"), problem.at("k"), *config, us});
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
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, Entry> problems;
  for (const GemmTiming& row : timings.rows) {
    const double modelled = modelled_us(row, timings.device, coefficients);
    auto [it, first] = problems.try_emplace({row.m, row.n, row.k}, Entry{{row, row, 0}, modelled});
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
