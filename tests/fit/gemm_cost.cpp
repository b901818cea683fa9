// Fits the coefficients of the GEMM cost model to measured kernels, and shows how well it does.
//
//   fit_gemm_cost TIMINGS.json        model against measurement, row by row, and the regret of
//                                     choosing by the model
//   fit_gemm_cost --fit TIMINGS.json  the same after an evolution strategy on every other problem;
//                                     prints the coefficients as in src/plan/gemm_coefficients.cpp
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "support/gemm_timings.hpp"

namespace {

using fathom::plan::GemmCostCoefficients;
using fathom::testing::GemmTiming;
using fathom::testing::GemmTimings;

bool same_problem(const GemmTiming& a, const GemmTiming& b) {
  return a.m == b.m && a.n == b.n && a.k == b.k && a.groups == b.groups;
}

constexpr int kTrials = 20000;

/// Root mean square of ln(model / measured), where rows far from the best of their problem count
/// little: the planner needs to know the good configs from each other.
double misfit(const GemmTimings& timings, const GemmCostCoefficients& coefficients) {
  std::map<std::tuple<long, long, long, fathom::testing::TimedGroups>, double> best;
  for (const auto& row : timings.rows) {
    double& us = best.try_emplace({row.m, row.n, row.k, row.groups}, row.us).first->second;
    us = std::min(us, row.us);
  }
  double sum = 0, weights = 0;
  for (const auto& row : timings.rows) {
    const double model = fathom::testing::modelled_us(row, timings.device, coefficients);
    const double weight = std::pow(best[{row.m, row.n, row.k, row.groups}] / row.us, 4);
    sum += weight * std::pow(std::log(model / row.us), 2);
    weights += weight;
  }
  return std::sqrt(sum / weights);
}

/// What choosing by the model costs in the mean of all problems, softened: a config that the model
/// takes for x % dearer than its first choice counts for exp(-x) of it, so that the objective has a
/// slope between choices; large regrets count for more.
double soft_regret(const GemmTimings& timings, const GemmCostCoefficients& coefficients) {
  constexpr double kSoftness = 0.01;
  constexpr double kLargeWeight = 10;
  const std::vector<GemmTiming>& rows = timings.rows;
  double sum = 0;
  int problems = 0;
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    double best = INFINITY, least = INFINITY;
    std::vector<double> models;
    for (end = begin; end < rows.size() && same_problem(rows[end], rows[begin]); ++end) {
      const double model = fathom::testing::modelled_us(rows[end], timings.device, coefficients);
      models.push_back(model > 0 ? model : INFINITY);
      least = std::min(least, models.back());
      best = std::min(best, rows[end].us);
    }
    double us = 0, weights = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double weight = std::exp((1 - models[i - begin] / least) / kSoftness);
      us += weight * rows[i].us;
      weights += weight;
    }
    const double regret = us / weights / best - 1;
    sum += regret + kLargeWeight * regret * regret;
    ++problems;
  }
  return sum / problems;
}

/// Regret, a little of the misfit, and a price on leaving the values that the fit starts from: what
/// the timings do not settle stays where it was.
double objective(const GemmTimings& timings, const GemmCostCoefficients& coefficients,
                 const GemmCostCoefficients& start) {
  constexpr double kMisfitWeight = 0.1;  // on its square
  constexpr double kPriorWeight = 1e-5;
  std::vector<double> initial;
  fathom::plan::for_each_coefficient(start,
                                     [&](const char*, double value) { initial.push_back(value); });
  double prior = 0;
  std::size_t i = 0;
  fathom::plan::for_each_coefficient(coefficients, [&](const char*, double value) {
    const double from = initial[i++];
    if (from > 0) prior += std::pow(std::log(value / from), 2);  // 0 stays: steps are factors
  });
  return soft_regret(timings, coefficients) +
         kMisfitWeight * std::pow(misfit(timings, coefficients), 2) + kPriorWeight * prior;
}

/// An evolution strategy of one parent and one child: some coefficients at a time are scaled by
/// chance, and what lowers the objective stays. The step grows with success and shrinks without.
GemmCostCoefficients fit(const GemmTimings& timings, GemmCostCoefficients best, int trials) {
  constexpr unsigned kSeed = 20261122;
  std::mt19937 random(kSeed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const GemmCostCoefficients start = best;
  double least = objective(timings, best, start);
  double step = 0.1;
  for (int trial = 0; trial < trials; ++trial) {
    GemmCostCoefficients child = best;
    const double share = trial % 2 == 0 ? 0.05 : 0.3;
    fathom::plan::for_each_coefficient(child, [&](const std::string& name, double& value) {
      if (uniform(random) < share) value *= std::exp(step * normal(random));
      if (name.ends_with("_hides")) value = std::min(value, 0.98);  // of what it hides
    });
    const double now = objective(timings, child, start);
    step = std::clamp(step * (now < least ? 1.3 : 0.985), 0.01, 0.3);
    if (now < least) {
      least = now;
      best = child;
    }
    if (trial % 500 == 0) fmt::print(stderr, "trial {}: {:.5f}\n", trial, least);
  }
  return best;
}

void summarize(const GemmTimings& timings, const GemmCostCoefficients& coefficients) {
  double sum = 0, worst = 0;
  const auto regrets = fathom::testing::gemm_regrets(timings, coefficients);
  for (const auto& r : regrets) {
    sum += r.regret;
    worst = std::max(worst, r.regret);
  }
  fmt::print(
      "misfit {:.1f} % of {} rows; regret {:.2f} % on average, {:.2f} % at worst, over {} "
      "problems\n",
      100 * misfit(timings, coefficients), timings.rows.size(),
      100 * sum / static_cast<double>(regrets.size()), 100 * worst, regrets.size());
}

void report(const GemmTimings& timings, const GemmCostCoefficients& coefficients) {
  for (const auto& row : timings.rows) {
    const double model = fathom::testing::modelled_us(row, timings.device, coefficients);
    fmt::print("{}{:>6} {:>6} {:>6}  {:<36} {:>9.2f} us measured {:>9.2f} modelled {:>+7.1f} %\n",
               row.groups.name, row.m, row.n, row.k, fathom::plan::gemm_tag(row.config), row.us,
               model, 100 * (model / row.us - 1));
  }
  for (const auto& r : fathom::testing::gemm_regrets(timings, coefficients))
    fmt::print(
        "{}{:>6} {:>6} {:>6}  chosen {:<36} {:>9.2f}  best {:<36} {:>9.2f}  regret {:.1f} %\n",
        r.best.groups.name, r.best.m, r.best.n, r.best.k, fathom::plan::gemm_tag(r.chosen.config),
        r.chosen.us, fathom::plan::gemm_tag(r.best.config), r.best.us, 100 * r.regret);
  summarize(timings, coefficients);
}

/// Problems in turn to `half` and to `rest`; the rows of a problem are neighbours.
void split(const GemmTimings& timings, GemmTimings& half, GemmTimings& rest) {
  bool odd = false;
  for (std::size_t i = 0; i < timings.rows.size(); ++i) {
    const GemmTiming& row = timings.rows[i];
    if (i > 0 && !same_problem(timings.rows[i - 1], row)) odd = !odd;
    (odd ? rest : half).rows.push_back(row);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const bool fitting = argc == 3 && std::strcmp(argv[1], "--fit") == 0;
  if (argc != 2 && !fitting) {
    fmt::print(stderr, "usage: fit_gemm_cost [--fit] TIMINGS.json\n");
    return 2;
  }
  const GemmTimings timings = fathom::testing::read_gemm_timings(argv[argc - 1]);
  const bool grouped = !timings.rows.empty() && timings.rows.front().config.grouped;
  GemmCostCoefficients coefficients =
      grouped ? GemmCostCoefficients{} : fathom::plan::dense_coefficients();
  if (fitting) {
    // Fitted on every other problem of the file, judged on all and on the rest.
    GemmTimings half{timings.device, {}}, rest{timings.device, {}};
    split(timings, half, rest);
    coefficients = fit(half, coefficients, kTrials);
    fathom::plan::for_each_coefficient(coefficients, [](const char* name, double value) {
      fmt::print("  double {} = {:.4g};\n", name, value);
    });
  }
  report(timings, coefficients);
  if (fitting) {
    GemmTimings half{timings.device, {}}, rest{timings.device, {}};
    split(timings, half, rest);
    fmt::print("not used to fit: ");
    summarize(rest, coefficients);
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "fit_gemm_cost: {}\n", error.what());
  return 1;
}
