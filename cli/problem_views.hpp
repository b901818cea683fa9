// Operands without memory behind them, for verbs that plan and compute nothing. Command-line layer;
// must not include CLI11 headers.
#pragma once

#include <cstdint>
#include <fathom/gemm.hpp>

#include "problem_flags.hpp"

namespace fathom::cli {

struct ProblemSize {
  std::int64_t m = 0, n = 0, k = 0;  ///< masked: m = max_m
  std::int64_t num_groups = 1;
  std::int64_t expected_m = 0;
};

/// Views of disjoint, aligned addresses that nobody may read, laid out as the kernels read fastest.
GemmOperands problem_views(const ProblemFlags& flags, const ProblemSize& size);

}  // namespace fathom::cli
