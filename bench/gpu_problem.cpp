// See gpu_problem.hpp.
#include "gpu_problem.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "gpu_data.hpp"
#include "reference/tolerance.hpp"
#include "support/fp8.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom::bench {
namespace {

template <typename T>
std::vector<T> download(const cuda::Buffer& buffer) {
  std::vector<T> host(static_cast<std::size_t>(buffer.bytes()) / sizeof(T));
  buffer.download(host.data(), buffer.bytes());
  return host;
}

}  // namespace

GpuProblem::GpuProblem(const cuda::Device& device, const DenseShape& shape, std::uint64_t seed,
                       bool plain)
    : shape_(shape), ordinal_(device.info().ordinal), seed_(seed) {
  const Codes quantised = normal_codes(kQuantisedFactor, seed);
  const auto codes = [&](const Codes& table, std::int64_t count, std::uint64_t salt) {
    const std::vector<std::uint8_t> drawn = draw(table, count, seed * 8 + salt);
    return upload(device, drawn.data(), drawn.size());
  };
  const std::int64_t k_blocks = (shape.k + 127) / 128;
  a_ = codes(quantised, shape.m * shape.k, 2);
  b_ = codes(quantised, shape.n * shape.k, 3);
  if (plain) {
    const Codes normal = normal_codes(1.0, seed + 1);
    plain_a_ = codes(normal, shape.m * shape.k, 4);
    plain_b_ = codes(normal, shape.n * shape.k, 5);
  }
  scale_a_ = random_scales(device, k_blocks * scale_a_pitch(), seed + 6);
  scale_b_ = random_scales(device, (shape.n + 127) / 128 * scale_b_pitch(), seed + 7);
  const float one = 1.0f;
  one_ = upload(device, &one, sizeof one);
  d_ = cuda::Buffer(device, shape.m * shape.n * 2);
}

GemmOperands GpuProblem::operands() const {
  const Device device{DeviceType::kCuda, ordinal_};
  const std::int64_t k_blocks = (shape_.k + 127) / 128;
  GemmOperands operands;
  operands.a = TensorView::matrix(a_.data(), DType::kE4M3, shape_.m, shape_.k, 0, device);
  operands.b = TensorView::matrix(b_.data(), DType::kE4M3, shape_.n, shape_.k, 0, device);
  operands.scale_a =
      TensorView::matrix(scale_a_.data(), DType::kFp32, k_blocks, shape_.m, scale_a_pitch(), device)
          .transposed();
  operands.scale_b = TensorView::matrix(scale_b_.data(), DType::kFp32, (shape_.n + 127) / 128,
                                        k_blocks, scale_b_pitch(), device);
  operands.d = TensorView::matrix(d_.data(), DType::kBf16, shape_.m, shape_.n, 0, device);
  return operands;
}

void GpuProblem::poison_d() {
  d_.fill(0xff);
}

std::vector<GpuProblem::Sample> GpuProblem::draw_samples() const {
  constexpr int kChecked = 256;
  const auto a = download<std::uint8_t>(a_), b = download<std::uint8_t>(b_);
  const auto scale_a = download<float>(scale_a_), scale_b = download<float>(scale_b_);
  support::Random random(seed_ + 8);
  std::vector<Sample> samples;
  for (int i = 0; i < kChecked; ++i) {
    const std::int64_t row = random.integer(0, shape_.m - 1), col = random.integer(0, shape_.n - 1);
    Sample sample{static_cast<std::size_t>(row * shape_.n + col)};
    for (std::int64_t k = 0; k < shape_.k; ++k) {
      const double x =
          static_cast<double>(
              support::e4m3_to_float(a[static_cast<std::size_t>(row * shape_.k + k)])) *
          static_cast<double>(scale_a[static_cast<std::size_t>(k / 128 * scale_a_pitch() + row)]);
      const double y =
          static_cast<double>(
              support::e4m3_to_float(b[static_cast<std::size_t>(col * shape_.k + k)])) *
          static_cast<double>(
              scale_b[static_cast<std::size_t>(col / 128 * scale_b_pitch() + k / 128)]);
      sample.exact += x * y;
      sample.magnitude += std::fabs(x * y);
    }
    samples.push_back(sample);
  }
  return samples;
}

double GpuProblem::worst_sampled_error() {
  if (samples_.empty()) samples_ = draw_samples();
  const auto d = download<std::uint16_t>(d_);
  const reference::Tolerance tolerance = reference::tolerance_of(DType::kBf16, Backend::kCuda);
  double worst = 0;
  for (const Sample& sample : samples_) {
    const double got = static_cast<double>(support::bf16_to_float(d[sample.at]));
    const double allowed =
        std::fabs(sample.exact) * tolerance.relative + sample.magnitude * tolerance.magnitude;
    const double share = std::fabs(got - sample.exact) / allowed;
    if (!(share <= worst))
      worst = std::isnan(share) ? std::numeric_limits<double>::infinity() : share;
  }
  return worst;
}

}  // namespace fathom::bench
