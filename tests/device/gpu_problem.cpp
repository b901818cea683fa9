// Fills, launches and judges one case on the GPU. Test support.
#include "device/gpu_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/tolerance.hpp"

namespace fathom::testing {
namespace {

constexpr std::int64_t kGuardBytes = 4096;  // before and after D
constexpr unsigned char kCanary =
    0xc9;  // bf16 0xc9c9 = -1.65e6 and fp32 0xc9c9c9c9: far from any result
constexpr std::uint32_t kPoison = 0x7f;  // the NaN of e4m3
constexpr std::int64_t kNoRow = -1;

std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// "0-127, 130, ...": the set bytes of a list of flags.
std::string ranges(const std::vector<unsigned char>& flags) {
  std::string text;
  std::int64_t begin = kNoRow;
  int count = 0;
  const auto size = static_cast<std::int64_t>(flags.size());
  for (std::int64_t i = 0; i <= size; ++i) {
    const bool set = i < size && flags[static_cast<std::size_t>(i)] != 0;
    if (set && begin == kNoRow) begin = i;
    if (set || begin == kNoRow) continue;
    if (++count > 8) return text + ", ...";
    text += fmt::format("{}{}", text.empty() ? "" : ", ", begin);
    if (i - 1 > begin) text += fmt::format("-{}", i - 1);
    begin = kNoRow;
  }
  return text;
}

struct ScaleLayout {
  std::int64_t row_stride = 0, col_stride = 0, elements = 0;
};

ScaleLayout scale_layout(std::int64_t rows, std::int64_t blocks, reference::ScaleOrder order) {
  if (order == reference::ScaleOrder::kKContiguous) return {blocks, 1, rows * blocks};
  const std::int64_t pitch = round_up(rows, 4);
  return {1, pitch, pitch * blocks};
}

TensorView scale_view(const cuda::Buffer& buffer, std::int64_t rows, std::int64_t blocks,
                      const ScaleLayout& layout, Device device) {
  TensorView view = TensorView::matrix(buffer.data(), DType::kFp32, rows, blocks, 0, device);
  view.stride = {layout.row_stride, layout.col_stride};
  return view;
}

std::vector<unsigned char> download(const cuda::Buffer& buffer, std::int64_t bytes) {
  std::vector<unsigned char> data(static_cast<std::size_t>(bytes));
  buffer.download(data.data(), bytes);
  return data;
}

}  // namespace

std::string GpuCase::text() const {
  return fmt::format(
      "{}x{}x{} {} {}{}{}{}{}{} seed {}", m, n, k, to_string(out),
      data == reference::DataKind::kExact ? "exact" : "random",
      scale_b_block == plan::ScaleBBlock::k1x128 ? " scale_b 1x128" : "",
      accumulate ? " accumulate" : "",
      scale_a_order == reference::ScaleOrder::kKContiguous ? " scale_a k-contiguous" : "",
      scale_b_order == reference::ScaleOrder::kRowsContiguous ? " scale_b n-contiguous" : "",
      extra_pitch != 0 ? fmt::format(" pitch +{}", extra_pitch) : "", seed);
}

GpuProblem::GpuProblem(Oracle& oracle, const GpuCase& gpu_case) : oracle_(oracle), case_(gpu_case) {
  const GpuCase& c = case_;
  const cuda::Device& device = oracle.device();
  const fathom::Device where{DeviceType::kCuda, device.info().ordinal};
  const bool exact = c.data == reference::DataKind::kExact;
  const std::int64_t blocks = (c.k + 127) / 128;
  const std::int64_t ab_pitch = round_up(c.k, 16) + c.extra_pitch;
  const std::int64_t d_step = 16 / size_of(c.out);
  d_pitch_ = round_up(c.n, d_step) + c.extra_pitch;
  d_bytes_ = c.m * d_pitch_ * size_of(c.out);

  a_ = cuda::Buffer(device, c.m * ab_pitch);
  b_ = cuda::Buffer(device, c.n * ab_pitch);
  operands_.a = TensorView::matrix(a_.data(), DType::kE4M3, c.m, c.k, ab_pitch, where);
  operands_.b = TensorView::matrix(b_.data(), DType::kE4M3, c.n, c.k, ab_pitch, where);
  refill_a(c.seed);
  oracle_.run(FillCodes{b_.data(), oracle_.code_table(exact), c.n, c.k, ab_pitch, c.seed * 7 + 1,
                        Oracle::kTable - 1, kPoison},
              nullptr);

  const std::int64_t b_rows =
      c.scale_b_block == plan::ScaleBBlock::k1x128 ? c.n : (c.n + 127) / 128;
  const auto fill_scales = [&](cuda::Buffer& buffer, std::int64_t rows, reference::ScaleOrder order,
                               std::uint64_t seed) {
    const ScaleLayout layout = scale_layout(rows, blocks, order);
    buffer = cuda::Buffer(device, layout.elements * 4);
    buffer.fill(0xff);  // NaN where the pitch exceeds the rows
    oracle_.run(FillFloats{buffer.data(), oracle_.scale_table(exact), rows, blocks,
                           layout.row_stride, layout.col_stride, seed, Oracle::kTable - 1, 0},
                nullptr);
    return scale_view(buffer, rows, blocks, layout, where);
  };
  operands_.scale_a = fill_scales(scale_a_, c.m, c.scale_a_order, c.seed * 7 + 2);
  operands_.scale_b = fill_scales(scale_b_, b_rows, c.scale_b_order, c.seed * 7 + 3);

  d_ = cuda::Buffer(device, d_bytes_ + 2 * kGuardBytes);
  operands_.d = TensorView::matrix(static_cast<std::byte*>(d_.data()) + kGuardBytes, c.out, c.m,
                                   c.n, d_pitch_, where);
  if (c.accumulate) {
    start_ = cuda::Buffer(device, d_bytes_);
    start_.fill(kCanary);
    oracle_.run(FillFloats{start_.data(), oracle_.integer_table(), c.m, c.n, d_pitch_, 1,
                           c.seed * 7 + 4, Oracle::kTable - 1, 0},
                nullptr);
  }
  reset_d();
}

GemmOptions GpuProblem::options() const {
  GemmOptions options;
  options.backend = Backend::kCuda;
  options.accumulate = case_.accumulate;
  return options;
}

void GpuProblem::refill_a(std::uint64_t seed, cuda::abi::Stream stream) {
  const bool exact = case_.data == reference::DataKind::kExact;
  oracle_.run(FillCodes{a_.data(), oracle_.code_table(exact), case_.m, case_.k,
                        operands_.a.stride[0], seed * 7, Oracle::kTable - 1, kPoison},
              stream);
}

void GpuProblem::reset_d(cuda::abi::Stream stream) {
  d_.fill(kCanary, stream);
  if (!case_.accumulate) return;
  oracle_.run(FillFloats{operands_.d.data, oracle_.integer_table(), case_.m, case_.n, d_pitch_, 1,
                         case_.seed * 7 + 4, Oracle::kTable - 1, 0},
              stream);
}

CheckGemm GpuProblem::check_params() const {
  const GpuCase& c = case_;
  CheckGemm check{};
  check.a = operands_.a.data, check.b = operands_.b.data;
  check.scale_a = operands_.scale_a.data, check.scale_b = operands_.scale_b.data;
  check.d = operands_.d.data;
  check.start = c.accumulate ? start_.data() : nullptr;
  check.m = c.m, check.n = c.n, check.k = c.k;
  check.a_pitch = operands_.a.stride[0], check.b_pitch = operands_.b.stride[0],
  check.d_pitch = d_pitch_;
  check.scale_a_row = operands_.scale_a.stride[0], check.scale_a_k = operands_.scale_a.stride[1];
  check.scale_b_row = operands_.scale_b.stride[0], check.scale_b_k = operands_.scale_b.stride[1];
  check.scale_b_rows = c.scale_b_block == plan::ScaleBBlock::k1x128 ? 1 : 128;
  check.d_is_fp32 = c.out == DType::kFp32, check.exact = c.data == reference::DataKind::kExact;
  return check;
}

Verdict GpuProblem::judge(const std::string& config, cuda::abi::Stream stream) {
  const GpuCase& c = case_;
  const reference::Tolerance tolerance = reference::tolerance_of(c.out, Backend::kCuda);
  const cuda::Device& device = oracle_.device();
  cuda::Buffer flags(device, c.m + c.n), result(device, sizeof(OracleResult)), damaged(device, 8);
  flags.fill(0, stream);
  damaged.fill(0, stream);
  OracleResult found{0, ~std::uint64_t{0}, 0, 0, 0, 0};
  result.upload(&found, sizeof(found), 0, stream);
  CheckGemm check = check_params();
  check.relative = tolerance.relative, check.magnitude = tolerance.magnitude;
  check.result = result.data();
  check.wrong_rows = flags.data(),
  check.wrong_cols = static_cast<unsigned char*>(flags.data()) + c.m;
  oracle_.run(check, stream);
  const std::int64_t element = size_of(c.out);
  oracle_.run(CheckCanaries{d_.data(), damaged.data(), nullptr, d_.bytes(), kGuardBytes, 1, c.m,
                            std::max<std::int64_t>(d_bytes_, 1), c.n * element, d_pitch_ * element,
                            kCanary, 0},
              stream);
  result.download(&found, sizeof(found), 0, stream);
  std::int64_t damaged_bytes = 0;
  damaged.download(&damaged_bytes, sizeof(damaged_bytes), 0, stream);

  Verdict verdict;
  verdict.wrong = static_cast<std::int64_t>(found.wrong);
  // Where D is accumulated the pitch padding holds the start buffer's canaries: the same byte.
  verdict.damaged_bytes = damaged_bytes;
  verdict.worst_share = found.worst_share;
  verdict.magnitude_error = found.magnitude_error;
  verdict.rel_error =
      found.exact_squares > 0 ? std::sqrt(found.error_squares / found.exact_squares) : 0;
  const bool norm_counts = c.m * c.n >= reference::kMinNormElements;
  // Written so that a NaN fails.
  verdict.passed = found.wrong == 0 && damaged_bytes == 0 &&
                   (!norm_counts || verdict.rel_error <= tolerance.norm);
  if (verdict.passed) return verdict;
  const auto bytes = download(flags, c.m + c.n);
  const auto middle = bytes.begin() + c.m;
  verdict.text = fmt::format(
      "{} by {}: {} of {} elements wrong, first at [{}, {}]; worst error {:.3g} of its tolerance, "
      "||D - exact|| / ||exact|| = {:.3g} (at most {:.3g}); {} bytes damaged outside D; rows {}; "
      "columns {}",
      c.text(), config, found.wrong, c.m * c.n, static_cast<std::int64_t>(found.first_wrong) / c.n,
      static_cast<std::int64_t>(found.first_wrong) % c.n, found.worst_share, verdict.rel_error,
      tolerance.norm, damaged_bytes, ranges({bytes.begin(), middle}),
      ranges({middle, bytes.end()}));
  return verdict;
}

std::unique_ptr<double[]> GpuProblem::exact_product() {
  const GpuCase& c = case_;
  const auto elements = static_cast<std::size_t>(c.m * c.n);
  cuda::Buffer product(oracle_.device(), c.m * c.n * 8), flags(oracle_.device(), c.m + c.n),
      result(oracle_.device(), sizeof(OracleResult));
  CheckGemm check = check_params();
  check.product = static_cast<double*>(product.data());
  check.result = result.data();
  check.wrong_rows = flags.data(),
  check.wrong_cols = static_cast<unsigned char*>(flags.data()) + c.m;
  oracle_.run(check, nullptr);
  auto host = std::make_unique<double[]>(elements);
  product.download(host.get(), c.m * c.n * 8);
  return host;
}

}  // namespace fathom::testing
