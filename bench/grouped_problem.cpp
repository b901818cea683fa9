// See grouped_problem.hpp.
#include "grouped_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpu_data.hpp"
#include "reference/tolerance.hpp"
#include "support/fp8.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom::bench {
namespace {

using Form = Groups::Form;

constexpr std::int64_t kAlignment = 128;  // what the published rows were measured with

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

template <typename T>
std::vector<T> read(const cuda::Buffer& buffer, std::int64_t first, std::int64_t count) {
  std::vector<T> host(static_cast<std::size_t>(count));
  buffer.download(host.data(), count * static_cast<std::int64_t>(sizeof(T)),
                  first * static_cast<std::int64_t>(sizeof(T)));
  return host;
}

cuda::Buffer upload_index(const cuda::Device& device, const std::vector<std::int32_t>& index) {
  return upload(device, index.data(), index.size() * sizeof(std::int32_t));
}

}  // namespace

GroupedProblem::GroupedProblem(const cuda::Device& device, const GroupedShape& shape,
                               std::uint64_t seed)
    : shape_(shape), device_(device), seed_(seed) {
  std::vector<std::int32_t> offsets{0}, ends, owner;
  const auto groups = static_cast<std::int64_t>(shape.counts.size());
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t count = shape.counts[static_cast<std::size_t>(g)];
    packed_.push_back(packed_rows_);
    aligned_.push_back(round_up(aligned_rows_, kAlignment));
    packed_rows_ += count;
    aligned_rows_ = aligned_.back() + count;
    offsets.push_back(static_cast<std::int32_t>(packed_rows_));
    ends.push_back(static_cast<std::int32_t>(aligned_rows_));
    owner.resize(static_cast<std::size_t>(aligned_.back()), -1);
    owner.resize(static_cast<std::size_t>(aligned_rows_), static_cast<std::int32_t>(g));
  }
  const bool masked = shape.form == Form::kMasked;
  const std::int64_t planes = masked ? groups : 1;
  const std::int64_t plane_rows = masked ? shape.max_m : std::max(packed_rows_, aligned_rows_);
  const std::int64_t k_blocks = (shape.k + 127) / 128;
  scale_pitch_ = round_up(plane_rows, 4);
  const Codes table = normal_codes(kQuantisedFactor, seed);
  const auto codes = [&](std::int64_t rows, std::uint64_t salt) {
    return draw(table, rows * shape.k, seed * 8 + salt);
  };
  const std::vector<std::uint8_t> tokens = codes(planes * plane_rows, 2);
  a_ = upload(device, tokens.data(), tokens.size());
  // One expert's weights for all: a time does not depend on it, and 7 GB need not be drawn.
  const std::vector<std::uint8_t> expert = codes(shape.n, 3);
  const auto expert_bytes = static_cast<std::int64_t>(expert.size());
  b_ = cuda::Buffer(device, groups * expert_bytes);
  for (std::int64_t g = 0; g < groups; ++g)
    b_.upload(expert.data(), expert_bytes, g * expert_bytes);
  scale_a_ = random_scales(device, planes * k_blocks * scale_pitch_, seed + 6);
  scale_b_ = random_scales(device, groups * ((shape.n + 127) / 128) * k_blocks, seed + 7);
  d_ = cuda::Buffer(device, planes * plane_rows * shape.n * 2);
  aligned_index_ = upload_index(device, ends);
  if (masked) {
    std::vector<std::int32_t> rows(shape.counts.begin(), shape.counts.end());
    index_ = upload_index(device, rows);
  } else {
    index_ = upload_index(device, shape.form == Form::kOffsets ? offsets : owner);
  }
}

bool GroupedProblem::from_aligned_starts(bool aligned) const {
  return aligned || shape_.form != Form::kOffsets;
}

std::int64_t GroupedProblem::rows(bool aligned) const {
  return from_aligned_starts(aligned) ? aligned_rows_ : packed_rows_;
}

std::int64_t GroupedProblem::row_of(std::int64_t g, std::int64_t i, bool aligned) const {
  if (shape_.form == Form::kMasked) return g * shape_.max_m + i;
  const auto& starts = from_aligned_starts(aligned) ? aligned_ : packed_;
  return starts[static_cast<std::size_t>(g)] + i;
}

GemmOperands GroupedProblem::operands(bool aligned) const {
  const Device where{DeviceType::kCuda, device_.info().ordinal};
  const auto groups = static_cast<std::int64_t>(shape_.counts.size());
  const std::int64_t k_blocks = (shape_.k + 127) / 128;
  const bool masked = shape_.form == Form::kMasked;
  const std::int64_t m = masked ? shape_.max_m : rows(aligned);
  GemmOperands o;
  if (masked) {
    o.a = TensorView::batch(a_.data(), DType::kE4M3, groups, m, shape_.k, 0, 0, where);
    o.scale_a = TensorView::batch(scale_a_.data(), DType::kFp32, groups, k_blocks, m, scale_pitch_,
                                  0, where)
                    .transposed();
    o.d = TensorView::batch(d_.data(), DType::kBf16, groups, m, shape_.n, 0, 0, where);
  } else {
    o.a = TensorView::matrix(a_.data(), DType::kE4M3, m, shape_.k, 0, where);
    o.scale_a = TensorView::matrix(scale_a_.data(), DType::kFp32, k_blocks, m, scale_pitch_, where)
                    .transposed();
    o.d = TensorView::matrix(d_.data(), DType::kBf16, m, shape_.n, 0, where);
  }
  o.b = TensorView::batch(b_.data(), DType::kE4M3, groups, shape_.n, shape_.k, 0, 0, where);
  o.scale_b = TensorView::batch(scale_b_.data(), DType::kFp32, groups, (shape_.n + 127) / 128,
                                k_blocks, 0, 0, where);
  o.groups.form = aligned && !masked ? Form::kGroupEnd : shape_.form;
  o.groups.alignment = kAlignment;
  o.groups.expected_m = shape_.expected_m;
  const std::int64_t entries = o.groups.form == Form::kRowGroup  ? m
                               : o.groups.form == Form::kOffsets ? groups + 1
                                                                 : groups;
  const cuda::Buffer& index = o.groups.form == Form::kGroupEnd ? aligned_index_ : index_;
  o.groups.index = TensorView::vector(index.data(), DType::kInt32, entries, where);
  return o;
}

void GroupedProblem::poison_d() {
  d_.fill(0xff);
}

double GroupedProblem::worst_sampled_error(int samples, bool aligned) const {
  const reference::Tolerance tolerance = reference::tolerance_of(DType::kBf16, Backend::kCuda);
  const std::int64_t k = shape_.k, k_blocks = (k + 127) / 128, n_blocks = (shape_.n + 127) / 128;
  const bool masked = shape_.form == Form::kMasked;
  support::Random random(seed_ + 8);
  double worst = 0;
  for (int i = 0; i < samples; ++i) {
    const auto g = random.integer(0, static_cast<std::int64_t>(shape_.counts.size()) - 1);
    const std::int64_t count = shape_.counts[static_cast<std::size_t>(g)];
    if (count == 0) continue;
    const std::int64_t at = random.integer(0, count - 1), row = row_of(g, at, aligned),
                       col = random.integer(0, shape_.n - 1);
    const auto a = read<std::uint8_t>(a_, row * k, k);
    const auto b = read<std::uint8_t>(b_, (g * shape_.n + col) * k, k);
    double exact = 0, magnitude = 0;
    for (std::int64_t block = 0; block < k_blocks; ++block) {
      const std::int64_t plane = masked ? g * k_blocks * scale_pitch_ : 0;
      const float sa =
          read<float>(scale_a_, plane + block * scale_pitch_ + (masked ? at : row), 1)[0];
      const float sb = read<float>(scale_b_, (g * n_blocks + col / 128) * k_blocks + block, 1)[0];
      for (std::int64_t j = block * 128; j < std::min(k, block * 128 + 128); ++j) {
        const auto x = static_cast<std::size_t>(j);
        const double product = static_cast<double>(support::e4m3_to_float(a[x])) *
                               static_cast<double>(support::e4m3_to_float(b[x])) *
                               static_cast<double>(sa) * static_cast<double>(sb);
        exact += product;
        magnitude += std::fabs(product);
      }
    }
    const double got = static_cast<double>(
        support::bf16_to_float(read<std::uint16_t>(d_, row * shape_.n + col, 1)[0]));
    const double share = std::fabs(got - exact) /
                         (std::fabs(exact) * tolerance.relative + magnitude * tolerance.magnitude);
    if (!(share <= worst))
      worst = std::isnan(share) ? std::numeric_limits<double>::infinity() : share;
  }
  return worst;
}

}  // namespace fathom::bench
