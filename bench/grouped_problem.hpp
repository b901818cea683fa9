// Operands of a grouped product in GPU memory. Benchmark layer.
#pragma once

#include <cstdint>
#include <vector>

#include <fathom/gemm.hpp>

#include "cuda/memory.hpp"
#include "grouped_shapes.hpp"

namespace fathom::bench {

/// Data as in GpuProblem. Groups start at multiples of `alignment` where the form asks for it.
class GroupedProblem {
 public:
  GroupedProblem(const cuda::Device& device, const GroupedShape& shape, std::uint64_t seed);

  const GroupedShape& shape() const { return shape_; }
  /// The product as the shape has it, or with every group from an aligned start (kGroupEnd).
  GemmOperands operands(bool aligned = false) const;
  /// Row of a or d (masked: of all groups) that row `i` of group `g` is.
  std::int64_t row_of(std::int64_t g, std::int64_t i, bool aligned = false) const;
  std::int64_t rows(bool aligned = false) const;

  void poison_d();
  /// As GpuProblem's.
  double worst_sampled_error(int samples, bool aligned = false) const;

  const cuda::Buffer& a() const { return a_; }
  const cuda::Buffer& scale_a() const { return scale_a_; }
  const cuda::Buffer& d() const { return d_; }
  std::int64_t scale_pitch() const { return scale_pitch_; }

 private:
  bool from_aligned_starts(bool aligned) const;

  GroupedShape shape_;
  const cuda::Device& device_;
  std::uint64_t seed_;
  std::vector<std::int64_t> packed_, aligned_;  ///< where groups start
  std::int64_t packed_rows_ = 0, aligned_rows_ = 0, scale_pitch_ = 0;
  cuda::Buffer a_, b_, scale_a_, scale_b_, d_, index_, aligned_index_;
};

}  // namespace fathom::bench
