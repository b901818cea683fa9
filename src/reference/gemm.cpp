// gemm and grouped_gemm in plain FP64 loops: the specification that people read and the oracle of
// the tests.
#include "reference/gemm.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "support/tensor_access.hpp"

namespace fathom::reference {
namespace {

/// Columns of b that are dequantised at a time, so that every row of a reuses them. Changes no
/// result.
constexpr std::int64_t kPanelCols = 32;

using plan::GemmProblem;
using plan::MatrixLayout;

std::int64_t at(const MatrixLayout& layout, std::int64_t group, std::int64_t row,
                std::int64_t col) {
  return group * layout.group_stride + row * layout.row_stride + col * layout.col_stride;
}

/// Row `row` of D lies in plane row / m of a masked operand; there is one plane otherwise.
struct Place {
  std::int64_t plane, row;
};
Place place(const GemmProblem& p, std::int64_t row) {
  return p.form == Groups::Form::kMasked ? Place{row / p.m, row % p.m} : Place{0, row};
}

std::vector<double> dequantise_a(const GemmProblem& p, const GemmOperands& o, std::int64_t d_row) {
  const auto [plane, row] = place(p, d_row);
  std::vector<double> values(static_cast<std::size_t>(p.k));
  for (std::int64_t kk = 0; kk < p.k; ++kk) {
    const double code = support::load_float(o.a, at(p.a, plane, row, kk));
    const double scale = support::load_float(o.scale_a, at(p.scale_a, plane, row, kk / 128));
    values[static_cast<std::size_t>(kk)] = code * scale;
  }
  return values;
}

/// Columns [first, first + kPanelCols) of the product's right side, [k][kPanelCols]; columns past n
/// are zero.
std::vector<double> dequantise_b(const GemmProblem& p, const GemmOperands& o, std::int64_t group,
                                 std::int64_t first) {
  const std::int64_t rows_per_scale = p.scale_b_block == plan::ScaleBBlock::k128x128 ? 128 : 1;
  std::vector<double> panel(static_cast<std::size_t>(p.k * kPanelCols), 0.0);
  for (std::int64_t col = first; col < std::min(first + kPanelCols, p.n); ++col) {
    for (std::int64_t kk = 0; kk < p.k; ++kk) {
      const double code = support::load_float(o.b, at(p.b, group, col, kk));
      const double scale =
          support::load_float(o.scale_b, at(p.scale_b, group, col / rows_per_scale, kk / 128));
      panel[static_cast<std::size_t>(kk * kPanelCols + col - first)] = code * scale;
    }
  }
  return panel;
}

double load_d(const GemmProblem& p, const GemmOperands& o, std::int64_t d_row, std::int64_t col) {
  const auto [plane, row] = place(p, d_row);
  return support::load_float(o.d, at(p.d, plane, row, col));
}

/// sum[row, col] for every row that has a group: start(row, col) + sum over k of term(a * b).
template <typename Start, typename Term>
void sum_products(const GemmProblem& p, const GemmOperands& o, double* out, Start start,
                  Term term) {
  const std::vector<std::int32_t> groups = row_groups(p, o.groups);
  for (std::int64_t group = 0; group < p.num_groups; ++group) {
    std::vector<std::int64_t> rows;
    std::vector<std::vector<double>> a;
    for (std::size_t row = 0; row < groups.size(); ++row) {
      if (groups[row] != group) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      a.push_back(dequantise_a(p, o, rows.back()));
    }
    for (std::int64_t first = 0; first < p.n && !rows.empty(); first += kPanelCols) {
      const std::vector<double> b = dequantise_b(p, o, group, first);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::array<double, kPanelCols> sum{};
        for (std::size_t kk = 0; kk < a[i].size(); ++kk) {
          const double* b_row = b.data() + kk * kPanelCols;
          for (std::size_t j = 0; j < kPanelCols; ++j) sum[j] += term(a[i][kk] * b_row[j]);
        }
        for (std::int64_t col = first; col < std::min(first + kPanelCols, p.n); ++col) {
          out[rows[i] * p.n + col] =
              start(rows[i], col) + sum[static_cast<std::size_t>(col - first)];
        }
      }
    }
  }
}

void store(const TensorView& d, std::int64_t index, double value) {
  if (d.dtype == DType::kBf16) {
    static_cast<std::uint16_t*>(d.data)[index] = support::bf16_from_double(value);
  } else {
    static_cast<float*>(d.data)[index] = static_cast<float>(value);
  }
}

}  // namespace

void gemm_fp64(const GemmProblem& problem, const GemmOperands& operands, double* out) {
  const auto start = [&](std::int64_t row, std::int64_t col) {
    return problem.accumulate ? load_d(problem, operands, row, col) : 0.0;
  };
  sum_products(problem, operands, out, start, [](double product) { return product; });
}

void gemm_magnitude(const GemmProblem& problem, const GemmOperands& operands, double* out) {
  const auto zero = [](std::int64_t, std::int64_t) { return 0.0; };
  sum_products(problem, operands, out, zero, [](double product) { return std::abs(product); });
}

void gemm(const GemmProblem& problem, const GemmOperands& operands) {
  const std::vector<std::int32_t> groups = row_groups(problem, operands.groups);
  std::vector<double> exact(groups.size() * static_cast<std::size_t>(problem.n), 0.0);
  gemm_fp64(problem, operands, exact.data());
  const bool zero_padding = problem.zero_padding && problem.form == Groups::Form::kRowGroup;
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(groups.size()); ++row) {
    if (groups[static_cast<std::size_t>(row)] == -1 && !zero_padding) continue;
    const auto [plane, plane_row] = place(problem, row);
    for (std::int64_t col = 0; col < problem.n; ++col) {
      store(operands.d, at(problem.d, plane, plane_row, col),
            exact[static_cast<std::size_t>(row * problem.n + col)]);
    }
  }
}

}  // namespace fathom::reference
