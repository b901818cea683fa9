// The specification of gemm and grouped_gemm in plain FP64 loops. Oracle of the tests; obeys
// docs/numerics.md by definition.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/gemm_problem.hpp"

namespace fathom::reference {

/// For each row of D (masked: row g * max_m + r), the group it belongs to, or -1. Reads CPU
/// metadata. Throws Error(kInvalidArgument) naming the entry that breaks the metadata's rules.
std::vector<std::int32_t> row_groups(const plan::GemmProblem& problem, const Groups& groups);

/// The exact result: sum over k of dequantised a and b in FP64, plus D when accumulating, not
/// rounded. `out` is dense [rows of D, n]; rows that belong to nobody are left as they are.
void gemm_fp64(const plan::GemmProblem& problem, const GemmOperands& operands, double* out);

/// For each element, sum over k of |a * b| in FP64: the scale of the rounding error. Same layout as
/// gemm_fp64.
void gemm_magnitude(const plan::GemmProblem& problem, const GemmOperands& operands, double* out);

/// The backend kReference: gemm_fp64 rounded to D's dtype. Rows that belong to nobody stay
/// untouched, or become zero where zero_padding asks for it.
void gemm(const plan::GemmProblem& problem, const GemmOperands& operands);

}  // namespace fathom::reference
