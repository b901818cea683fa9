// The CPU backend of gemm and grouped_gemm: dequantise blocks, multiply through OpenBLAS, spread
// over cores.
#pragma once

#include <string>

#include "plan/gemm_problem.hpp"

namespace fathom::cpu {

class Blas;  // cpu/blas.hpp: OpenBLAS, loaded at first use

/// What the CPU backend will do; chosen by plan_gemm, printed by explain.
struct GemmPlan {
  std::string tag;  ///< "cpu_<block_m>x<block_n>x<block_k>_t<threads>"
  int threads = 1;
  std::int64_t block_m = 0, block_n = 0, block_k = 0;
};

/// Pure: the same problem and thread count give the same plan.
GemmPlan plan_gemm(const plan::GemmProblem& problem, int threads);

/// Writes D. Rows that belong to nobody stay untouched (zero with zero_padding). Throws
/// Error(kInvalidArgument) when the metadata breaks its rules, before D is touched.
void gemm(const plan::GemmProblem& problem, const GemmPlan& plan, const GemmOperands& operands,
          Blas& blas);

}  // namespace fathom::cpu
