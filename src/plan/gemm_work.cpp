// The expectation of gemm_work.hpp. Planning layer: pure.
#include "plan/gemm_work.hpp"

#include <algorithm>
#include <cmath>

namespace fathom::plan {
namespace {

// A hint may be exact, as in benchmarks, or a mean, as in serving; a tile that holds the mean alone
// then reads the weights of many groups twice.
constexpr double kHintUneven = 0.1;
// Routers spread rows more than chance would: times the deviation of a Poisson law. With these two
// the choice costs 1.8 % on average over 61 measured problems (bench/journal.md).
constexpr double kSkew = 1.5;

}  // namespace

// Nothing here may depend on max_m beside the expected rows (GemmRange).
GemmWork expected_work(const device::gemm::Sizes& s) {
  const device::gemm::Grouping& g = s.groups;
  const auto m = static_cast<double>(s.m);
  if (g.form == device::gemm::GroupForm::kNone) return {1, m, 0};
  const auto groups = static_cast<double>(g.num_groups);
  const double hint = g.expected_rows > 0 ? static_cast<double>(g.expected_rows) : m;
  if (g.masked())
    return {groups, groups * std::min(hint, m), g.expected_rows > 0 ? kHintUneven : 0};
  const double rows = std::min(m, hint * groups);
  if (g.num_groups == 1) return {1, rows, 0};
  // Poisson: the share of groups that no row chose is exp(-mean).
  return {std::min(rows, groups * -std::expm1(-rows / groups)), rows, 1};
}

double exact_pieces(int height, const GemmWork& work) {
  return std::ceil(work.rows_per_group() / height);
}

double routed_pieces(int height, const GemmWork& work) {
  const double mean = work.rows_per_group();
  // Rows of a group, Poisson around the mean: by twelve equally likely values of a normal law.
  constexpr double kQuantiles[] = {-1.73, -1.15, -0.81, -0.55, -0.32, -0.10,
                                   0.10,  0.32,  0.55,  0.81,  1.15,  1.73};
  double sum = 0;
  for (const double q : kQuantiles)
    sum += std::ceil(std::max(1.0, std::round(mean + kSkew * q * std::sqrt(mean))) / height);
  return sum / static_cast<double>(std::size(kQuantiles));
}

}  // namespace fathom::plan
