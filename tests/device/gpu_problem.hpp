// One GEMM case in device memory: filled, launched and judged there, so that thousands of cases
// take seconds. Test support.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <fathom/gemm.hpp>

#include "cuda/memory.hpp"
#include "device/oracle.hpp"
#include "plan/gemm_problem.hpp"
#include "reference/problem_data.hpp"

namespace fathom::testing {

/// A dense case in few words.
struct GpuCase {
  std::int64_t m = 0, n = 0, k = 0;
  reference::DataKind data = reference::DataKind::kRandom;  ///< kRandom or kExact
  DType out = DType::kBf16;
  plan::ScaleBBlock scale_b_block = plan::ScaleBBlock::k128x128;
  bool accumulate = false;
  reference::ScaleOrder scale_a_order = reference::ScaleOrder::kRowsContiguous;
  reference::ScaleOrder scale_b_order = reference::ScaleOrder::kKContiguous;
  std::int64_t extra_pitch = 0;  ///< elements, a multiple of 16
  std::uint64_t seed = 1;

  std::string text() const;
};

/// What the oracle found.
struct Verdict {
  std::int64_t wrong = 0;  ///< elements outside the tolerance, or with other bits on exact data
  std::int64_t damaged_bytes = 0;  ///< of what must not be written
  double worst_share = 0;          ///< the largest error as a share of its tolerance
  double magnitude_error = 0;      ///< what the coefficient of sum|a * b| must cover
  double rel_error = 0;            ///< ||D - exact|| / ||exact||
  bool passed = false;
  std::string
      text;  ///< empty when passed; else errors, first wrong element, wrong rows and columns
};

class GpuProblem {
 public:
  GpuProblem(Oracle& oracle, const GpuCase& gpu_case);

  const GpuCase& description() const { return case_; }
  const GemmOperands& operands() const { return operands_; }
  GemmOptions options() const;
  /// Canaries everywhere in D's memory; the start values where D is accumulated. Ordered in
  /// `stream`.
  void reset_d(cuda::abi::Stream stream = nullptr);
  /// Other contents of a for the same shapes and addresses.
  void refill_a(std::uint64_t seed, cuda::abi::Stream stream = nullptr);
  /// Judges D as it is when the work in `stream` is done. `config` goes into the text.
  Verdict judge(const std::string& config, cuda::abi::Stream stream = nullptr);
  /// D's memory with its guard bands.
  const cuda::Buffer& d_memory() const { return d_; }
  /// The exact product as judge() computes it, [m, n].
  std::unique_ptr<double[]> exact_product();

 private:
  CheckGemm check_params() const;

  Oracle& oracle_;
  GpuCase case_;
  GemmOperands operands_;
  std::int64_t d_pitch_ = 0, d_bytes_ = 0;
  cuda::Buffer a_, b_, scale_a_, scale_b_, d_, start_;
};

}  // namespace fathom::testing
