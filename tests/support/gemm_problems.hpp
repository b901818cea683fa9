// GEMM problems for planner tests: sizes in, contiguous layouts out. Test support.
#pragma once

#include <cstdint>

#include "plan/gemm_problem.hpp"

namespace fathom::testing {

/// Dense, bf16 out, 128x128 scales of b, contiguous operands, scales of a contiguous along m.
inline plan::GemmProblem dense_problem(std::int64_t m, std::int64_t n, std::int64_t k) {
  const auto padded = [](std::int64_t size, std::int64_t to) { return (size + to - 1) / to * to; };
  plan::GemmProblem p;
  p.m = m;
  p.n = n;
  p.k = k;
  p.a = {.rows = m, .cols = k, .row_stride = padded(k, 16)};
  p.b = {.rows = n, .cols = k, .row_stride = padded(k, 16)};
  p.d = {.rows = m, .cols = n, .row_stride = padded(n, 8)};
  p.scale_a = {.rows = m, .cols = p.k_blocks(), .row_stride = 1, .col_stride = padded(m, 4)};
  p.scale_b = {.rows = p.n_blocks(), .cols = p.k_blocks(), .row_stride = p.k_blocks()};
  return p;
}

}  // namespace fathom::testing
