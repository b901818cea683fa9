// How right a result must be. See tolerance.hpp and docs/numerics.md.
#include "reference/tolerance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/tensor_access.hpp"

namespace fathom::reference {
namespace {

/// "0-127, 130, 256-": ranges of an ascending list, cut after eight.
std::string ranges(const std::vector<std::int64_t>& numbers) {
  std::string text;
  int parts = 0;
  for (std::size_t i = 0; i < numbers.size() && parts < 8; ++parts) {
    std::size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", numbers[i]);
    if (end > i) text += fmt::format("-{}", numbers[end]);
    i = end + 1;
    if (parts == 7 && i < numbers.size()) text += ", ...";
  }
  return text;
}

/// The reference as D's type would hold it, when that is no finite number.
bool special(double exact, DType out, float& expected) {
  expected = out == DType::kBf16 ? support::bf16_to_float(support::bf16_from_double(exact))
                                 : static_cast<float>(exact);
  return !std::isfinite(expected);
}

bool same_kind(float got, float expected) {
  return std::isnan(expected) ? std::isnan(got) : got == expected;
}

/// Running sums over the elements that are numbers.
struct Sums {
  double error = 0, exact = 0, cross = 0, both = 0;
};

class Comparer {
 public:
  Comparer(DType out, const Tolerance& tolerance) : out_(out), tolerance_(tolerance) {}

  void element(std::int64_t row, std::int64_t col, float got, double exact, double magnitude) {
    ++result_.elements;
    float expected = 0;
    if (special(exact, out_, expected) || !std::isfinite(got)) {
      if (!same_kind(got, expected)) wrong(row, col, got, exact, INFINITY);
      return;
    }
    const double error = std::abs(got - exact);
    const double bound = tolerance_.relative * std::abs(exact) + tolerance_.magnitude * magnitude;
    const double share = error == 0 ? 0 : error / bound;
    if (share > result_.worst_share) note_worst(row, col, got, exact, share);
    if (!(error <= bound)) wrong(row, col, got, exact, share);
    const double unexplained = error - tolerance_.relative * std::abs(exact);
    if (unexplained > 0)
      result_.magnitude_error = std::max(result_.magnitude_error, unexplained / magnitude);
    result_.max_abs = std::max(result_.max_abs, error);
    sums_.error += error * error;
    sums_.exact += exact * exact;
    sums_.cross += got * exact;
    sums_.both += static_cast<double>(got) * got + exact * exact;
  }

  Comparison finish() {
    result_.wrong_rows.assign(rows_.begin(), rows_.end());
    result_.wrong_cols.assign(cols_.begin(), cols_.end());
    result_.rel_error = sums_.error == 0 ? 0 : std::sqrt(sums_.error / sums_.exact);
    result_.calc_diff = sums_.both == 0 ? 0 : 1 - 2 * sums_.cross / sums_.both;
    const bool norm_holds =
        result_.elements < kMinNormElements || result_.rel_error <= tolerance_.norm;
    result_.passed = rows_.empty() && norm_holds;
    return result_;
  }

 private:
  void note_worst(std::int64_t row, std::int64_t col, float got, double exact, double share) {
    result_.worst_share = share;
    result_.worst_row = row;
    result_.worst_col = col;
    result_.worst_got = got;
    result_.worst_wanted = exact;
  }

  void wrong(std::int64_t row, std::int64_t col, float got, double exact, double share) {
    if (share > result_.worst_share) note_worst(row, col, got, exact, share);
    rows_.insert(row);
    cols_.insert(col);
  }

  DType out_;
  Tolerance tolerance_;
  Comparison result_;
  Sums sums_;
  std::set<std::int64_t> rows_, cols_;
};

}  // namespace

Tolerance tolerance_of(DType out, Backend backend) {
  // Half a unit in the last place of D, relative to the result: 8 bits of significand in bf16, 24
  // in fp32. The norm bounds of bf16 are those of the rounding, which alone gives up to 1.7e-3.
  const bool bf16 = out == DType::kBf16;
  const double relative = bf16 ? 0x1p-8 : 0x1p-24;
  switch (backend) {
    case Backend::kReference:
      return {relative, 0x1p-45, bf16 ? 2e-3 : 1e-7};
    case Backend::kCpu:
      return {relative, 0x1p-17, bf16 ? 2e-3 : 2e-6};
    default:
      return {relative, 0x1p-11, bf16 ? 2e-3 : 5e-4};
  }
}

Comparison compare(const plan::GemmProblem& problem, const std::vector<std::int32_t>& groups,
                   const TensorView& d, const double* exact, const double* magnitude,
                   const Tolerance& tolerance) {
  Comparer comparer(problem.out, tolerance);
  const std::int64_t planes_rows = std::max<std::int64_t>(problem.m, 1);
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(groups.size()); ++row) {
    if (groups[static_cast<std::size_t>(row)] == -1) continue;
    const std::int64_t start =
        row / planes_rows * problem.d.group_stride + row % planes_rows * problem.d.row_stride;
    for (std::int64_t col = 0; col < problem.n; ++col) {
      const std::int64_t i = row * problem.n + col;
      comparer.element(row, col, support::load_float(d, start + col), exact[i], magnitude[i]);
    }
  }
  return comparer.finish();
}

std::string Comparison::text(const plan::GemmProblem& problem, const Tolerance& tolerance,
                             const std::string& config) const {
  std::string text = fmt::format(
      "m = {}, n = {}, k = {}, groups = {}, config {}: relative error {:.3g} (limit {:.3g} from {} "
      "elements on), largest "
      "difference {:.3g}, 1 - 2xy/(xx+yy) = {:.3g}",
      problem.m, problem.n, problem.k, problem.num_groups, config, rel_error, tolerance.norm,
      kMinNormElements, max_abs, calc_diff);
  if (worst_row >= 0) {
    text += fmt::format(
        "; worst element D[{}, {}] is {:.9g} and should be {:.9g}, {:.3g} of what it may be off by",
        worst_row, worst_col, worst_got, worst_wanted, worst_share);
  }
  if (!wrong_rows.empty()) {
    text += fmt::format("; wrong rows ({}): {}; wrong columns ({}): {}", wrong_rows.size(),
                        ranges(wrong_rows), wrong_cols.size(), ranges(wrong_cols));
  }
  return text;
}

}  // namespace fathom::reference
