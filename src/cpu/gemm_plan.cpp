// Block sizes and threads of the CPU backend: a pure function of the problem. See gemm.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include <fathom/error.hpp>

#include "cpu/gemm.hpp"

namespace fathom::cpu {
namespace {

std::int64_t ceil_div(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// Rows of one group as far as they are known before the metadata is read.
std::int64_t expected_rows(const plan::GemmProblem& p) {
  if (!p.grouped()) return p.m;
  if (p.expected_m > 0) return std::min(p.expected_m, p.m);
  return p.form == Groups::Form::kMasked ? p.m
                                         : ceil_div(p.m, std::max<std::int64_t>(p.num_groups, 1));
}

/// Blocks as many as there can be at most, which is what there is to spread over threads.
std::int64_t count_blocks(const plan::GemmProblem& p, const GemmPlan& plan) {
  const std::int64_t groups_with_rows = p.grouped() ? std::max<std::int64_t>(p.num_groups, 1) : 1;
  return groups_with_rows * ceil_div(expected_rows(p), plan.block_m) * ceil_div(p.n, plan.block_n);
}

std::string tag_of(const GemmPlan& plan) {
  return fmt::format("cpu_{}x{}x{}_t{}", plan.block_m, plan.block_n, plan.block_k, plan.threads);
}

/// batch_invariant: rows that every product has. OpenBLAS's kernels for x86-64 and arm64 work on up
/// to 16 rows at once or on a divisor of 16, so that all rows of a block meet the same
/// instructions.
constexpr std::int64_t kInvariantRows = 16;

GemmPlan from_tag(const std::string& tag, bool batch_invariant) {
  GemmPlan plan;
  long long m = 0, n = 0, k = 0;
  const int read = std::sscanf(tag.c_str(), "cpu_%lldx%lldx%lld_t%d", &m, &n, &k, &plan.threads);
  plan.block_m = m;
  plan.block_n = n;
  plan.block_k = k;
  plan.tag = tag;
  constexpr std::int64_t kLargest = 4096;  // 64 MiB a thread for each of three blocks
  const auto in_range = [](std::int64_t block) { return block >= 1 && block <= kLargest; };
  const bool sizes_hold = in_range(m) && in_range(n) && in_range(k) && k % 128 == 0;
  if (read != 4 || !sizes_hold || plan.threads < 1 || plan.threads > kLargest ||
      tag_of(plan) != tag) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("gemm: config is \"{}\"; the CPU backend's configs are "
                            "cpu_<block_m>x<block_n>x<block_k>_t<threads> "
                            "with blocks of 1 to {} and block_k a multiple of 128: for example "
                            "cpu_64x256x512_t2, or "
                            "leave config out",
                            tag, kLargest));
  }
  if (batch_invariant && plan.block_m != kInvariantRows) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("gemm: config is \"{}\", with blocks of {} rows; batch_invariant needs {}: "
                    "leave one of the two out",
                    tag, plan.block_m, kInvariantRows));
  }
  return plan;
}

}  // namespace

GemmPlan plan_gemm(const plan::GemmProblem& problem, int threads) {
  if (!problem.config.empty()) return from_tag(problem.config, problem.batch_invariant);
  GemmPlan plan;
  // Measured on two Zen 4 cores with OpenBLAS 0.3.21 (docs/numerics.md): a block of A and of B for
  // 512 of k stays in a second-level cache of 1 MiB, and few rows want few columns.
  const std::int64_t rows = std::clamp<std::int64_t>(expected_rows(problem), 1, 256);
  plan.block_m = ceil_div(rows, 16) * 16;
  plan.block_n = rows >= 64 ? 256 : 64;
  plan.block_k = 512;
  while (plan.block_n > 64 && count_blocks(problem, plan) < 32) plan.block_n /= 2;
  if (problem.batch_invariant) {  // nothing that depends on m may decide
    plan.block_m = kInvariantRows;
    plan.block_n = 128;
  }
  const double work = static_cast<double>(problem.n) * static_cast<double>(problem.k) *
                      static_cast<double>(expected_rows(problem) + 16);
  const std::int64_t useful =
      std::min(count_blocks(problem, plan), static_cast<std::int64_t>(work / 1e6));
  plan.threads = static_cast<int>(std::clamp<std::int64_t>(useful, 1, std::max(threads, 1)));
  plan.tag = tag_of(plan);
  return plan;
}

}  // namespace fathom::cpu
