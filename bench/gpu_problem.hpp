// Operands of a dense product in GPU memory, filled with the data that the power draw of a real
// model has. Benchmark layer.
#pragma once

#include <cstdint>
#include <vector>

#include <fathom/gemm.hpp>

#include "cuda/memory.hpp"
#include "published.hpp"

namespace fathom::bench {

/// A e4m3 [m, k], B e4m3 [n, k], their scales in the order that the kernel reads fastest, D bf16
/// [m, n].
///
/// The codes are what quantising normal data gives: normal values scaled so that the largest of 128
/// is near 448. Scales are random around 1. cuBLASLt's per-tensor product reads `plain_a`,
/// `plain_b`: normal data cast as it is.
class GpuProblem {
 public:
  /// `plain`: whether plain_a and plain_b are made.
  GpuProblem(const cuda::Device& device, const DenseShape& shape, std::uint64_t seed, bool plain);

  const DenseShape& shape() const { return shape_; }
  GemmOperands operands() const;

  /// Largest error of 256 elements of D against FP64, as a share of the tolerance of
  /// docs/numerics.md: at most 1 is right. Reads D back; the first call also reads A and B.
  double worst_sampled_error();
  /// Fills D with NaN, so that an element that is never written shows.
  void poison_d();

  const cuda::Buffer& plain_a() const { return plain_a_; }
  const cuda::Buffer& plain_b() const { return plain_b_; }
  const cuda::Buffer& one() const { return one_; }
  const cuda::Buffer& a() const { return a_; }
  const cuda::Buffer& b() const { return b_; }
  const cuda::Buffer& d() const { return d_; }
  const cuda::Buffer& scale_a() const { return scale_a_; }
  const cuda::Buffer& scale_b() const { return scale_b_; }
  /// Elements between blocks of k in scale_a: m rounded up to 4.
  std::int64_t scale_a_pitch() const { return (shape_.m + 3) / 4 * 4; }
  /// Elements between 128-row blocks in scale_b: K' rounded up to 4 (cuBLASLt asks for it).
  std::int64_t scale_b_pitch() const { return ((shape_.k + 127) / 128 + 3) / 4 * 4; }

 private:
  /// One element of D, exact, and the sum of the magnitudes that were added.
  struct Sample {
    std::size_t at = 0;
    double exact = 0;
    double magnitude = 0;
  };
  std::vector<Sample> draw_samples() const;

  DenseShape shape_;
  std::int32_t ordinal_;
  std::uint64_t seed_;
  cuda::Buffer a_, b_, scale_a_, scale_b_, d_, plain_a_, plain_b_, one_;
  std::vector<Sample> samples_;  // drawn once: a sweep checks every config against them
};

}  // namespace fathom::bench
