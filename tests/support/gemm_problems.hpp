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

/// The same in groups. `m`: rows in all, masked: max_m.
inline plan::GemmProblem grouped_problem(Groups::Form form, std::int64_t groups, std::int64_t m,
                                         std::int64_t n, std::int64_t k,
                                         std::int64_t expected_m = 0) {
  plan::GemmProblem p = dense_problem(m, n, k);
  p.form = form;
  p.num_groups = groups;
  p.expected_m = expected_m;
  const auto plane = [](plan::MatrixLayout& layout) {
    layout.group_stride =
        layout.col_stride == 1 ? layout.rows * layout.row_stride : layout.cols * layout.col_stride;
  };
  plane(p.b);
  plane(p.scale_b);
  if (form != Groups::Form::kMasked) return p;
  for (plan::MatrixLayout* layout : {&p.a, &p.scale_a, &p.d}) plane(*layout);
  return p;
}

}  // namespace fathom::testing
