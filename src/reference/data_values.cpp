// The numbers of a generated problem. See data_values.hpp.
#include "reference/data_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/fp8.hpp"

namespace fathom::reference {
namespace {

constexpr std::size_t kTable = 1 << 16;  // one draw of 64 random bits serves four elements

/// Codes of normal data reach four deviations at the block's largest element, about what 128
/// samples give.
constexpr float kDeviation = support::kE4m3Max / 4;

/// One channel in 256 is an outlier, so that about half of the blocks of 128 hold none.
constexpr std::int64_t kOutlierSpacing = 256;

void poison(const Buffer& buffer, bool is_fp32) {
  if (!is_fp32) {
    std::memset(buffer.data(), support::kE4m3Nan, static_cast<std::size_t>(buffer.bytes()));
    return;
  }
  std::fill_n(reinterpret_cast<float*>(buffer.data()), buffer.bytes() / 4,
              std::numeric_limits<float>::quiet_NaN());
}

}  // namespace

DataValues::DataValues(const ProblemSpec& spec, const plan::GemmProblem& problem,
                       const std::vector<std::int32_t>& groups)
    : spec_(spec),
      problem_(problem),
      groups_(groups),
      random_(spec.seed),
      normal_(kTable),
      codes_(kTable),
      channel_(static_cast<std::size_t>(problem.k), 1.0f),
      block_(static_cast<std::size_t>(problem.k_blocks()), 1.0f) {
  for (std::size_t i = 0; i < kTable; ++i) {
    normal_[i] = static_cast<float>(random_.normal());
    const float value = spec.data == DataKind::kExact ? static_cast<float>(random_.integer(-2, 2))
                                                      : normal_[i] * kDeviation;
    codes_[i] = support::e4m3_from_float(value);
  }
  if (spec.data != DataKind::kOutliers) return;
  for (std::size_t channel = 0; channel < channel_.size(); ++channel) {
    if (random_.integer(1, kOutlierSpacing) != 1) continue;
    channel_[channel] = static_cast<float>(std::pow(10.0, 5.0 * random_.uniform()));
    block_[channel / 128] = std::max(block_[channel / 128], channel_[channel]);
  }
}

void DataValues::fill_row(std::uint8_t* row, bool with_outliers) {
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < problem_.k; ++i) {
    bits = i % 4 == 0 ? random_.bits() : bits >> 16;
    row[i] = codes_[bits & (kTable - 1)];
    if (with_outliers) {
      const auto c = static_cast<std::size_t>(i);
      const float relative = channel_[c] / block_[c / 128];
      row[i] = support::e4m3_from_float(normal_[bits & (kTable - 1)] * kDeviation * relative);
    }
  }
}

float DataValues::random_scale() {
  // The exact kind: 1/2, 1 or 2. With |a|, |b| <= 2 a block of 128 adds at most 2^11, which is 2^13
  // quarters, to a sum that counts in quarters; FP32 holds every count up to 2^24, so 2^11 blocks
  // are exact.
  if (spec_.data == DataKind::kExact)
    return std::ldexp(1.0f, static_cast<int>(random_.integer(-1, 1)));
  return static_cast<float>(std::exp2(2.0 * random_.uniform() - 1.0)) / kDeviation;
}

void DataValues::fill_scales(float* data, const plan::MatrixLayout& layout, std::int64_t plane,
                             std::int64_t row, bool with_outliers) {
  for (std::int64_t block = 0; block < layout.cols; ++block) {
    const float factor = with_outliers ? block_[static_cast<std::size_t>(block)] : 1.0f;
    data[plane * layout.group_stride + row * layout.row_stride + block * layout.col_stride] =
        random_scale() * factor;
  }
}

void DataValues::fill(const GemmOperands& operands, const Buffer& a, const Buffer& scale_a,
                      const Buffer& b, const Buffer& scale_b) {
  poison(a, false);
  poison(scale_a, true);
  poison(b, false);
  poison(scale_b, true);
  const bool outliers = spec_.data == DataKind::kOutliers;
  auto* a_codes = static_cast<std::uint8_t*>(operands.a.data);
  for (std::size_t d_row = 0; d_row < groups_.size(); ++d_row) {
    if (groups_[d_row] == -1) continue;
    const std::int64_t plane = static_cast<std::int64_t>(d_row) / problem_.m;
    const std::int64_t row = static_cast<std::int64_t>(d_row) % problem_.m;
    fill_row(a_codes + plane * problem_.a.group_stride + row * problem_.a.row_stride, outliers);
    fill_scales(static_cast<float*>(operands.scale_a.data), problem_.scale_a, plane, row, outliers);
  }
  auto* b_codes = static_cast<std::uint8_t*>(operands.b.data);
  for (std::int64_t group = 0; group < problem_.num_groups; ++group) {
    for (std::int64_t row = 0; row < problem_.n; ++row) {
      fill_row(b_codes + group * problem_.b.group_stride + row * problem_.b.row_stride, false);
    }
    for (std::int64_t row = 0; row < problem_.scale_b.rows; ++row) {
      fill_scales(static_cast<float*>(operands.scale_b.data), problem_.scale_b, group, row, false);
    }
  }
}

}  // namespace fathom::reference
