// gemm and grouped_gemm on this machine's cores: blocks of D, each dequantised and multiplied by
// one thread. CPU backend.
#include "cpu/gemm.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "cpu/blas.hpp"
#include "cpu/parallel.hpp"
#include "cpu/row_ops.hpp"
#include "reference/gemm.hpp"

namespace fathom::cpu {
namespace {

using plan::GemmProblem;
using plan::MatrixLayout;

std::int64_t ceil_div(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// A few rows of one group, neighbours in the list of the group's rows but not always in memory.
struct RowBlock {
  std::int64_t group;
  const std::int64_t* rows;  ///< rows of D, as reference::row_groups counts them
  std::int64_t count;
};

/// Rows of D ordered by group, and cut into blocks. Rows that belong to nobody are in none.
struct RowBlocks {
  std::vector<std::int64_t> rows;
  std::vector<RowBlock> blocks;
};

RowBlocks collect_rows(const std::vector<std::int32_t>& groups, std::int64_t num_groups,
                       std::int64_t block_m) {
  std::vector<std::int64_t> start(static_cast<std::size_t>(num_groups) + 1, 0);
  for (const std::int32_t group : groups) {
    if (group >= 0) ++start[static_cast<std::size_t>(group) + 1];
  }
  for (std::size_t g = 1; g < start.size(); ++g) start[g] += start[g - 1];
  RowBlocks result;
  result.rows.resize(static_cast<std::size_t>(start.back()));
  std::vector<std::int64_t> next = start;
  for (std::size_t row = 0; row < groups.size(); ++row) {
    if (groups[row] < 0) continue;
    const auto place = next[static_cast<std::size_t>(groups[row])]++;
    result.rows[static_cast<std::size_t>(place)] = static_cast<std::int64_t>(row);
  }
  for (std::int64_t g = 0; g < num_groups; ++g) {
    const std::int64_t end = start[static_cast<std::size_t>(g) + 1];
    for (std::int64_t row = start[static_cast<std::size_t>(g)]; row < end; row += block_m) {
      result.blocks.push_back({g, result.rows.data() + row, std::min(block_m, end - row)});
    }
  }
  return result;
}

/// One thread's blocks in FP32. A pitch that is no power of two keeps rows out of each other's
/// cache sets.
struct Scratch {
  explicit Scratch(const GemmPlan& plan)
      : pitch(plan.block_k + 16),
        a(make(plan.block_m * pitch)),
        b(make(plan.block_n * pitch)),
        c(make(plan.block_m * plan.block_n)),
        row(make(plan.block_n)) {}

  static std::unique_ptr<float[]> make(std::int64_t size) {
    return std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(size));
  }

  std::int64_t pitch;
  std::unique_ptr<float[]> a, b, c, row;
};

class Product {
 public:
  Product(const GemmProblem& problem, const GemmPlan& plan, const GemmOperands& operands,
          const Blas& blas)
      : p_(problem), plan_(plan), o_(operands), blas_(blas), ops_(row_ops()) {}

  /// D's rows of `block`, columns [col, col + cols).
  void compute(const RowBlock& block, std::int64_t col, std::int64_t cols, Scratch& scratch) const {
    const std::int64_t rows = p_.batch_invariant ? plan_.block_m : block.count;
    for (std::int64_t k0 = 0; k0 < p_.k; k0 += plan_.block_k) {
      const std::int64_t k = std::min(plan_.block_k, p_.k - k0);
      for (std::int64_t i = 0; i < block.count; ++i) {
        dequantise_a(block.rows[i], k0, k, scratch.a.get() + i * scratch.pitch);
      }
      for (std::int64_t i = block.count; i < rows; ++i) {
        std::fill_n(scratch.a.get() + i * scratch.pitch, k, 0.0f);
      }
      for (std::int64_t j = 0; j < cols; ++j) {
        dequantise_b(block.group, col + j, k0, k, scratch.b.get() + j * scratch.pitch);
      }
      multiply(rows, cols, k, k0 == 0 ? 0.0f : 1.0f, scratch);
    }
    if (p_.k == 0) std::fill_n(scratch.c.get(), rows * cols, 0.0f);
    store_rows(block, rows, col, cols, scratch);
  }

  void store_zeros(std::int64_t d_row) const {
    std::memset(d_at(d_row, 0), 0, static_cast<std::size_t>(p_.n * size_of(p_.out)));
  }

 private:
  /// c = a * b^T; batch_invariant: its transpose, always with the same number of rows of a.
  /// OpenBLAS computes the columns of its row-major product in bundles of different sizes, each
  /// with instructions of its own, but all of up to 16 rows of the right side in one; so there a
  /// row's bits depend neither on its place in the block nor on its neighbours.
  void multiply(std::int64_t rows, std::int64_t cols, std::int64_t k, float beta,
                Scratch& scratch) const {
    const Matrix a{scratch.a.get(), scratch.pitch};
    const Matrix b{scratch.b.get(), scratch.pitch};
    if (p_.batch_invariant) {
      blas_.multiply(cols, rows, k, b, a, beta, {scratch.c.get(), rows});
    } else {
      blas_.multiply(rows, cols, k, a, b, beta, {scratch.c.get(), cols});
    }
  }

  void store_rows(const RowBlock& block, std::int64_t rows, std::int64_t col, std::int64_t cols,
                  Scratch& scratch) const {
    for (std::int64_t i = 0; i < block.count; ++i) {
      const float* values = scratch.c.get() + i * cols;
      if (p_.batch_invariant) {
        for (std::int64_t j = 0; j < cols; ++j)
          scratch.row[static_cast<std::size_t>(j)] =
              scratch.c[static_cast<std::size_t>(j * rows + i)];
        values = scratch.row.get();
      }
      store(block.rows[i], col, cols, values);
    }
  }

  /// Where row `d_row` of D lies in an operand that has D's rows.
  std::int64_t row_offset(const MatrixLayout& layout, std::int64_t d_row) const {
    if (p_.form != Groups::Form::kMasked) return d_row * layout.row_stride;
    return d_row / p_.m * layout.group_stride + d_row % p_.m * layout.row_stride;
  }

  std::byte* d_at(std::int64_t d_row, std::int64_t col) const {
    return static_cast<std::byte*>(o_.d.data) + (row_offset(p_.d, d_row) + col) * size_of(p_.out);
  }

  /// out[i] = code[i] * scale of its block; k0 is a multiple of 128.
  void dequantise(const std::uint8_t* code, const float* scale, std::int64_t scale_stride,
                  std::int64_t k, float* out) const {
    for (std::int64_t i = 0; i < k; i += 128) {
      ops_.decode(code + i, std::min<std::int64_t>(128, k - i), scale[i / 128 * scale_stride],
                  out + i);
    }
  }

  void dequantise_a(std::int64_t d_row, std::int64_t k0, std::int64_t k, float* out) const {
    const auto* code = static_cast<const std::uint8_t*>(o_.a.data) + row_offset(p_.a, d_row) + k0;
    const auto* scale = static_cast<const float*>(o_.scale_a.data) + row_offset(p_.scale_a, d_row) +
                        k0 / 128 * p_.scale_a.col_stride;
    dequantise(code, scale, p_.scale_a.col_stride, k, out);
  }

  void dequantise_b(std::int64_t group, std::int64_t col, std::int64_t k0, std::int64_t k,
                    float* out) const {
    const std::int64_t scale_row =
        p_.scale_b_block == plan::ScaleBBlock::k128x128 ? col / 128 : col;
    const auto* code = static_cast<const std::uint8_t*>(o_.b.data) + group * p_.b.group_stride +
                       col * p_.b.row_stride + k0;
    const auto* scale = static_cast<const float*>(o_.scale_b.data) +
                        group * p_.scale_b.group_stride + scale_row * p_.scale_b.row_stride +
                        k0 / 128 * p_.scale_b.col_stride;
    dequantise(code, scale, p_.scale_b.col_stride, k, out);
  }

  void store(std::int64_t d_row, std::int64_t col, std::int64_t cols, const float* values) const {
    std::byte* d = d_at(d_row, col);
    if (p_.out == DType::kBf16) {
      ops_.store_bf16(values, cols, reinterpret_cast<std::uint16_t*>(d));
    } else if (p_.accumulate) {
      auto* sums = reinterpret_cast<float*>(d);
      for (std::int64_t j = 0; j < cols; ++j) sums[j] += values[j];
    } else {
      std::memcpy(d, values, static_cast<std::size_t>(cols) * sizeof(float));
    }
  }

  const GemmProblem& p_;
  const GemmPlan& plan_;
  const GemmOperands& o_;
  const Blas& blas_;
  const RowOps& ops_;
};

}  // namespace

void gemm(const plan::GemmProblem& problem, const GemmPlan& plan, const GemmOperands& operands,
          Blas& blas) {
  const std::vector<std::int32_t> groups = reference::row_groups(problem, operands.groups);
  const RowBlocks rows = collect_rows(groups, problem.num_groups, plan.block_m);
  const std::int64_t col_blocks = ceil_div(problem.n, plan.block_n);
  const std::int64_t blocks = static_cast<std::int64_t>(rows.blocks.size()) * col_blocks;
  std::optional<Blas::OneThread> one_thread;
  if (blocks > 0 && problem.k > 0) one_thread.emplace(blas);

  const Product product(problem, plan, operands, blas);
  std::vector<std::optional<Scratch>> scratch(static_cast<std::size_t>(plan.threads));
  parallel_for(blocks, plan.threads, [&](int thread, std::int64_t i) {
    auto& own = scratch[static_cast<std::size_t>(thread)];
    if (!own) own.emplace(plan);
    const std::int64_t col = i % col_blocks * plan.block_n;
    const RowBlock& block = rows.blocks[static_cast<std::size_t>(i / col_blocks)];
    product.compute(block, col, std::min(plan.block_n, problem.n - col), *own);
  });
  if (!problem.zero_padding || problem.form != Groups::Form::kRowGroup) return;
  for (std::size_t row = 0; row < groups.size(); ++row) {
    if (groups[row] == -1) product.store_zeros(static_cast<std::int64_t>(row));
  }
}

}  // namespace fathom::cpu
