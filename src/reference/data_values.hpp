// The numbers of a generated problem: codes and scales of each kind of data. Reference layer; only
// problem_data.cpp and tests use it.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/problem_data.hpp"
#include "support/random.hpp"

namespace fathom::reference {

/// Fills operands of one problem. Rows of nobody, their scales and all padding are poisoned with
/// NaN bit patterns.
class DataValues {
 public:
  DataValues(const ProblemSpec& spec, const plan::GemmProblem& problem,
             const std::vector<std::int32_t>& groups);
  void fill(const GemmOperands& operands, const Buffer& a, const Buffer& scale_a, const Buffer& b,
            const Buffer& scale_b);

 private:
  void fill_row(std::uint8_t* row, bool with_outliers);
  void fill_scales(float* data, const plan::MatrixLayout& layout, std::int64_t plane,
                   std::int64_t row, bool with_outliers);
  float random_scale();

  const ProblemSpec& spec_;
  const plan::GemmProblem& problem_;
  const std::vector<std::int32_t>& groups_;
  support::Random random_;
  std::vector<float>
      normal_;  ///< a table of normally distributed numbers: drawing codes must be cheap
  std::vector<std::uint8_t> codes_;  ///< the codes of one table entry each
  std::vector<float> channel_;       ///< kOutliers: how much larger each channel of a is
  std::vector<float> block_;         ///< the largest factor of each 128 channels
};

}  // namespace fathom::reference
