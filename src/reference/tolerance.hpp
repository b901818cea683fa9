// How right a result must be: the tolerance of docs/numerics.md as code, in one place, for `fathom
// verify` and all tests. Reference layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/gemm_problem.hpp"

namespace fathom::reference {

/// |D - ref| <= relative * |ref| + magnitude * sum|a * b| for each element, and ||D - ref|| <= norm
/// * ||ref|| for outputs of at least kMinNormElements elements.
struct Tolerance {
  double relative = 0;
  double magnitude = 0;
  double norm = 0;
};
inline constexpr std::int64_t kMinNormElements = 4096;

/// The numbers come from the measurements in docs/numerics.md. `backend` is never kAuto.
Tolerance tolerance_of(DType out, Backend backend);

struct Comparison {
  bool passed = false;
  double rel_error = 0;    ///< ||D - ref|| / ||ref||, 0/0 = 0
  double max_abs = 0;      ///< the largest |D - ref|
  double calc_diff = 0;    ///< 1 - 2 sum(xy) / sum(xx + yy), as the field tests it; 0/0 = 0
  double worst_share = 0;  ///< the largest |D - ref| as a share of what the element may be off
  double magnitude_error =
      0;  ///< the largest (|D - ref| - relative * |ref|) / sum|a * b|: what `magnitude` must cover
  std::int64_t elements = 0;  ///< elements compared
  std::int64_t worst_row =
      -1;  ///< the element of worst_share, or the first that is wrong in kind (NaN, infinity)
  std::int64_t worst_col = -1;
  double worst_got = 0, worst_wanted = 0;
  std::vector<std::int64_t> wrong_rows, wrong_cols;  ///< ascending
  /// For people: errors, limits, the worst element, the set of wrong rows and columns.
  std::string text(const plan::GemmProblem& problem, const Tolerance& tolerance,
                   const std::string& config) const;
};

/// Compares the rows of D that have a group. `exact` and `magnitude` are gemm_fp64's and
/// gemm_magnitude's; `groups` is row_groups'. A reference that is NaN or too large for D's type
/// wants NaN or that infinity.
Comparison compare(const plan::GemmProblem& problem, const std::vector<std::int32_t>& groups,
                   const TensorView& d, const double* exact, const double* magnitude,
                   const Tolerance& tolerance);

}  // namespace fathom::reference
