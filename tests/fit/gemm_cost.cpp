// Fits the coefficients of the GEMM cost model to measured kernels, and shows how well it does.
//
//   fit_gemm_cost TIMINGS.json        model against measurement, row by row, and the regret of
//                                     choosing by the model
//   fit_gemm_cost --fit TIMINGS.json  the same after a coordinate descent; prints the coefficients
//                                     in the form of src/plan/gemm_coefficients.cpp
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <exception>
#include <map>
#include <tuple>
#include <vector>

#include "support/gemm_timings.hpp"

namespace {

using fathom::plan::GemmCostCoefficients;
using fathom::testing::GemmTimings;

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

double mean_regret(const GemmTimings& timings, const GemmCostCoefficients& coefficients) {
  const auto regrets = fathom::testing::gemm_regrets(timings, coefficients);
  double sum = 0;
  for (const auto& r : regrets) sum += r.regret + 40 * r.regret * r.regret;
  return sum / static_cast<double>(regrets.size());
}

/// Mean square misfit and regret, plus a price on leaving the values that the fit starts from: what
/// the timings do not settle stays where first principles put it.
double objective(const GemmTimings& timings, const GemmCostCoefficients& coefficients,
                 const GemmCostCoefficients& start) {
  constexpr double kPriorWeight =
      1e-4;  // moving one coefficient by e costs as much as 1 % of misfit
  constexpr double kRegretWeight = 0.5;  // on average; large ones count for more, see mean_regret
  std::vector<double> initial;
  fathom::plan::for_each_coefficient(start,
                                     [&](const char*, double value) { initial.push_back(value); });
  double prior = 0;
  std::size_t i = 0;
  fathom::plan::for_each_coefficient(coefficients, [&](const char*, double value) {
    const double from = initial[i++];
    if (from > 0) prior += std::pow(std::log(value / from), 2);  // 0 stays: steps are factors
  });
  return std::pow(misfit(timings, coefficients), 2) +
         kRegretWeight * mean_regret(timings, coefficients) + kPriorWeight * prior;
}

/// Scales one coefficient after the other up and down while that lowers the objective; steps shrink
/// from 20 % to 0.5 %.
GemmCostCoefficients fit(const GemmTimings& timings, GemmCostCoefficients best) {
  const GemmCostCoefficients start = best;
  double least = objective(timings, best, start);
  for (double step = 0.2; step > 0.005; step /= 1.5) {
    for (int sweep = 0; sweep < 20; ++sweep) {
      const double before = least;
      fathom::plan::for_each_coefficient(best, [&](const char*, double& value) {
        for (const double factor : {1 + step, 1 / (1 + step)}) {
          const double kept = value;
          value = kept * factor;
          const double now = objective(timings, best, start);
          if (now < least)
            least = now;
          else
            value = kept;
        }
      });
      if (least > before * 0.9999) break;
    }
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
    const auto& row = timings.rows[i];
    if (i > 0) {
      const auto& before = timings.rows[i - 1];
      if (before.m != row.m || before.n != row.n || before.k != row.k ||
          before.groups != row.groups)
        odd = !odd;
    }
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
    coefficients = fit(half, coefficients);
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
