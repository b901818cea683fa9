// The expectation of gemm_work.hpp. Planning layer: pure.
#include "plan/gemm_work.hpp"

#include <algorithm>
#include <cmath>

namespace fathom::plan {
namespace {

// A hint may be exact, as in benchmarks, or a mean, as in serving; a tile that holds the mean alone
// then reads the weights of many groups twice.
constexpr double kHintUneven = 0.05;
// Rows that equal groups of whole blocks would fill are hardly ever a router's: by chance one total
// in as many as there are groups.
constexpr double kBlocksUneven = 0.1;
// How far the rows of groups spread: a Poisson law's deviation times kSkew, and a share of the
// mean, because routers like some experts better. The spread of expert e as likely as 1 / (e + 4)
// is 1.7, of equally likely ones 0; taller tiles than chance asks for cost the even rows 1 % and
// save the skewed ones up to 8 (bench/journal.md).
constexpr double kSkew = 1.5;
constexpr double kLiking = 0.52;

}  // namespace

// Nothing here may depend on max_m beside the expected rows (GemmRange).
GemmWork expected_work(const device::gemm::Sizes& s) {
  const device::gemm::Grouping& g = s.groups;
  const auto m = static_cast<double>(s.m);
  if (g.form == device::gemm::GroupForm::kNone) return {1, m, 0, true};
  auto groups = static_cast<double>(g.num_groups);
  const double hint = g.expected_rows > 0 ? static_cast<double>(g.expected_rows) : m;
  if (g.masked())
    return {groups, groups * std::min(hint, m), g.expected_rows > 0 ? kHintUneven : 0};
  const double rows = std::min(m, hint * groups);
  const bool blocks =
      g.form == device::gemm::GroupForm::kRowGroup || g.form == device::gemm::GroupForm::kGroupEnd;
  // No block is two groups'. Where fewer rows are expected than there are, the rest pads blocks.
  if (blocks && rows == m)
    groups = std::min(groups, std::ceil(m / static_cast<double>(g.alignment)));
  if (groups == 1) return {1, rows, 0};
  const bool even = blocks && std::fmod(rows, groups * static_cast<double>(g.alignment)) == 0;
  // Poisson: the share of groups that no row chose is exp(-mean).
  return {std::min(rows, groups * -std::expm1(-rows / groups)), rows, even ? kBlocksUneven : 1,
          even};
}

double exact_pieces(int height, const GemmWork& work) {
  return std::ceil(work.rows_per_group() / height);
}

double routed_pieces(int height, const GemmWork& work) {
  const double mean = work.rows_per_group();
  // Rows of a group by twelve equally likely values of a normal law.
  constexpr double kQuantiles[] = {-1.73, -1.15, -0.81, -0.55, -0.32, -0.10,
                                   0.10,  0.32,  0.55,  0.81,  1.15,  1.73};
  const double spread = std::hypot(kSkew * std::sqrt(mean), kLiking * mean);
  double sum = 0;
  for (const double q : kQuantiles)
    sum += std::ceil(std::max(1.0, std::round(mean + q * spread)) / height);
  return sum / static_cast<double>(std::size(kQuantiles));
}

}  // namespace fathom::plan
