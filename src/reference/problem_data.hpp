// Operands made from a seed, for `fathom verify`, `fathom bench` and the tests: one description of
// a case serves correctness and speed. Reference layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plan/gemm_problem.hpp"

namespace fathom::reference {

enum class DataKind {
  kRandom,  ///< normally distributed values as a quantiser leaves them, scales within a factor of
            ///< four
  kExact,  ///< small integers and power-of-two scales: every partial sum is exact in FP32, so D has
           ///< one right bit pattern, whatever the order of the sums (k up to 262,144)
  kOutliers,  ///< kRandom, but about one channel of a in 256 is 1 to 1e5 times as large as the rest
};

enum class ScaleOrder {
  kRowsContiguous,  ///< stride 1 along m (or n), pitch a multiple of 4: what gemm reads fastest
  kKContiguous,     ///< stride 1 along k
};

/// A case in few words. Rows are dealt to groups by the seed unless `index` says how.
struct ProblemSpec {
  Groups::Form form = Groups::Form::kNone;
  std::int64_t m = 0;  ///< rows that belong to a group, in all; kMasked: max_m. Ignored where
                       ///< `index` implies it.
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t num_groups = 1;
  std::int64_t alignment = 128;          ///< kRowGroup, kGroupEnd
  std::vector<std::int64_t> index = {};  ///< the metadata itself; empty = dealt by the seed
  bool index_is_int64 = false;           ///< kOffsets
  plan::ScaleBBlock scale_b_block = plan::ScaleBBlock::k128x128;
  DType out = DType::kBf16;
  bool accumulate = false;
  bool zero_padding = false;
  bool batch_invariant = false;
  DataKind data = DataKind::kRandom;
  std::uint64_t seed = 0;
  ScaleOrder scale_a_order = ScaleOrder::kRowsContiguous;
  ScaleOrder scale_b_order = ScaleOrder::kKContiguous;
  std::int64_t extra_pitch =
      0;  ///< elements between the rows of a, b and d beyond what 16 bytes ask; a multiple of 16
  std::int64_t spare_rows =
      0;  ///< rows at the end that belong to nobody; also one such block inside (kRowGroup)
};

/// How the valid rows fall to the groups: the metadata as ProblemSpec::index holds it, and the rows
/// of the buffer.
struct DealtRows {
  std::vector<std::int64_t> index;
  std::int64_t m = 0;
};
DealtRows deal_rows(const ProblemSpec& spec);

/// Memory of our own, 256-byte aligned.
class Buffer {
 public:
  explicit Buffer(std::int64_t bytes);
  std::byte* data() const { return data_.get(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::int64_t bytes_;
  std::unique_ptr<std::byte[], Free> data_;
};

/// Owns the operands of one case. Everything that no valid result may depend on (pitch padding,
/// rows of nobody, their scales) holds NaN bit patterns; everything of D's memory that must not be
/// written holds canaries.
class ProblemData {
 public:
  /// Throws Error(kInvalidArgument) when `index` breaks the rules of its form.
  explicit ProblemData(const ProblemSpec& spec);

  const ProblemSpec& spec() const { return spec_; }
  const plan::GemmProblem& problem() const { return problem_; }
  const GemmOperands& operands() const { return operands_; }
  GemmOptions options() const;
  /// The group of each row of D, or -1 (reference::row_groups).
  const std::vector<std::int32_t>& groups() const { return groups_; }
  std::int64_t d_rows() const { return static_cast<std::int64_t>(groups_.size()); }

  /// D's memory with its guard bands, for a caller that keeps D elsewhere (a GPU) and brings it
  /// back.
  Buffer& d_memory() { return d_; }
  /// Makes D what it was before the first call: canaries, and the start values where D is
  /// accumulated.
  void reset_d();
  /// What of D's memory was written though it must not be (rows of nobody, pitch padding, guard
  /// bands), or was not zero where zero_padding asks for it: the first place in words. Empty when
  /// all is well.
  std::string d_damage() const;

 private:
  void lay_out(const DealtRows& dealt);

  ProblemSpec spec_;
  plan::GemmProblem problem_;
  GemmOperands operands_;
  std::vector<std::int32_t> groups_;
  Buffer a_, scale_a_, b_, scale_b_, d_, index_;
};

}  // namespace fathom::reference
