// The cast kernels against reference/quantize.hpp: the same bits, on every form, type, order and
// alignment.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <fathom/quantize.hpp>

#include "api/cuda_runtime.hpp"
#include "device/oracle.hpp"
#include "device/summary.hpp"
#include "plan/quantize_configs.hpp"
#include "reference/quantize.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom::testing {
namespace {

constexpr unsigned char kCanary = 0xc9;

struct CastCase {
  std::int64_t rows = 0, cols = 0;  // of x
  DType dtype = DType::kBf16;
  ScaleBlock block = ScaleBlock::k1x128;
  bool power_of_two = false;
  bool scale_rows_contiguous = true;
  std::int64_t x_padding = 0, q_padding = 0;  // elements added to the pitches
  std::int64_t x_offset = 0;                  // elements that x starts behind an aligned address

  std::string text() const {
    return fmt::format("{} x {} {} block {} pow2 {} rows-contiguous {} padding {} {} offset {}",
                       rows, cols, to_string(dtype), static_cast<int>(block), power_of_two,
                       scale_rows_contiguous, x_padding, q_padding, x_offset);
  }
};

/// x on both sides, and q and scales with canaries around them.
class CastProblem {
 public:
  explicit CastProblem(const CastCase& c) : case_(c) {
    const bool transposed = c.block == ScaleBlock::k1x128Transposed;
    q_rows_ = transposed ? c.cols : c.rows;
    q_cols_ = transposed ? c.rows : c.cols;
    scale_rows_ = c.block == ScaleBlock::k128x128 ? (q_rows_ + 127) / 128 : q_rows_;
    scale_cols_ = (q_cols_ + 127) / 128;
    x_pitch_ = c.cols + c.x_padding;
    q_pitch_ = q_cols_ + c.q_padding;
    scale_pitch_ = c.scale_rows_contiguous ? (scale_rows_ + 3) / 4 * 4 : scale_cols_;
    x_.resize(static_cast<std::size_t>((c.rows * x_pitch_ + c.x_offset) * size_of(c.dtype)));
    q_.assign(static_cast<std::size_t>(q_rows_ * q_pitch_), kCanary);
    scale_.assign(static_cast<std::size_t>((c.scale_rows_contiguous ? scale_cols_ : scale_rows_) *
                                           scale_pitch_ * 4),
                  kCanary);
    fill_x();
  }

  /// Casts on the GPU and by the reference; the first difference as text, empty when there is none.
  std::string run() {
    const cuda::Device& device = Oracle::instance().device();
    cuda::Buffer x(device, bytes(x_)), q(device, bytes(q_)), scale(device, bytes(scale_));
    x.upload(x_.data(), bytes(x_));
    q.fill(kCanary);
    scale.fill(kCanary);
    const QuantizeOptions options{.block = case_.block, .power_of_two_scales = case_.power_of_two};
    const Device gpu{DeviceType::kCuda, 0};
    quantize(Oracle::instance().context(), x_view(x.data(), gpu), q_view(q.data(), gpu),
             scale_view(scale.data(), gpu), options);
    reference::quantize(x_view(x_.data(), {}), q_view(q_.data(), {}), scale_view(scale_.data(), {}),
                        case_.block, case_.power_of_two);
    const std::string wrong = difference("q", q, q_) + difference("scale", scale, scale_);
    return wrong.empty() ? run_back(q, scale) : wrong;
  }

 private:
  static std::int64_t bytes(const std::vector<unsigned char>& v) {
    return static_cast<std::int64_t>(v.size());
  }
  TensorView x_view(void* data, Device device) const {
    return TensorView::matrix(
        static_cast<unsigned char*>(data) + case_.x_offset * size_of(case_.dtype), case_.dtype,
        case_.rows, case_.cols, x_pitch_, device);
  }
  TensorView q_view(void* data, Device device) const {
    return TensorView::matrix(data, DType::kE4M3, q_rows_, q_cols_, q_pitch_, device);
  }
  TensorView scale_view(void* data, Device device) const {
    if (!case_.scale_rows_contiguous)
      return TensorView::matrix(data, DType::kFp32, scale_rows_, scale_cols_, scale_pitch_, device);
    return TensorView::matrix(data, DType::kFp32, scale_cols_, scale_rows_, scale_pitch_, device)
        .transposed();
  }

  /// Normal numbers over twelve orders of magnitude, zeros of both signs, and now and then an
  /// infinity or a NaN.
  void fill_x() {
    support::Random random(static_cast<std::uint64_t>(case_.rows * 131 + case_.cols));
    const std::int64_t count = bytes(x_) / size_of(case_.dtype);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t bits = random.bits();
      float value =
          std::ldexp(static_cast<float>(bits >> 40) - 8388608.0f, static_cast<int>(bits % 40) - 43);
      if (bits % 8 == 0) value = std::copysign(0.0f, value);
      if (bits % 4096 == 1) value = std::numeric_limits<float>::infinity();
      if (bits % 4096 == 2) value = std::copysign(std::numeric_limits<float>::quiet_NaN(), value);
      unsigned char* to = x_.data() + i * size_of(case_.dtype);
      if (case_.dtype == DType::kFp32) {
        std::memcpy(to, &value, 4);
      } else {
        const std::uint16_t half = case_.dtype == DType::kBf16 ? support::bf16_from_float(value)
                                                               : support::fp16_from_float(value);
        std::memcpy(to, &half, 2);
      }
    }
  }

  static std::string difference(const char* name, const cuda::Buffer& got,
                                const std::vector<unsigned char>& wanted) {
    std::vector<unsigned char> host(wanted.size());
    got.download(host.data(), bytes(host));
    for (std::size_t i = 0; i < host.size(); ++i)
      if (host[i] != wanted[i])
        return fmt::format("{} differs first at byte {}: {:#x}, reference {:#x}; ", name, i,
                           host[i], wanted[i]);
    return "";
  }

  /// dequantize to fp32; NaN compares equal to NaN, its bits are nobody's promise.
  std::string run_back(const cuda::Buffer& q, const cuda::Buffer& scale) {
    std::vector<float> wanted(static_cast<std::size_t>(case_.rows * case_.cols));
    cuda::Buffer back(Oracle::instance().device(), case_.rows * case_.cols * 4);
    const Device gpu{DeviceType::kCuda, 0};
    dequantize(Oracle::instance().context(), q_view(q.data(), gpu), scale_view(scale.data(), gpu),
               TensorView::matrix(back.data(), DType::kFp32, case_.rows, case_.cols, 0, gpu),
               case_.block);
    reference::dequantize(q_view(q_.data(), {}), scale_view(scale_.data(), {}),
                          TensorView::matrix(wanted.data(), DType::kFp32, case_.rows, case_.cols),
                          case_.block);
    std::vector<float> got(wanted.size());
    back.download(got.data(), static_cast<std::int64_t>(got.size() * 4));
    for (std::size_t i = 0; i < got.size(); ++i)
      if (std::memcmp(&got[i], &wanted[i], 4) != 0 &&
          !(std::isnan(got[i]) && std::isnan(wanted[i])))
        return fmt::format("dequantized element {} is {}, reference {}", i, got[i], wanted[i]);
    return "";
  }

  CastCase case_;
  std::int64_t q_rows_, q_cols_, scale_rows_, scale_cols_, x_pitch_, q_pitch_, scale_pitch_;
  std::vector<unsigned char> x_, q_, scale_;
};

void expect_same_bits(const CastCase& c) {
  Summary::instance().count("casts");
  EXPECT_EQ(CastProblem(c).run(), "") << c.text();
}

TEST(CompileDevice, Casts) {
  jit::Builder& builder = api::cuda_runtime(Oracle::instance().context()).builder;
  for (const plan::QuantizeConfig& config : plan::quantize_configs()) {
    const auto kernel =
        builder.build(plan::quantize_kernel_name(config), plan::quantize_source(config));
    EXPECT_EQ(kernel->use.spill_bytes, 0) << kernel->name;
  }
}

TEST(QuantizeDevice, EveryFormTypeOrderAndAlignment) {
  for (const auto& [rows, cols] :
       {std::pair<int, int>{1, 1}, {7, 130}, {64, 128}, {129, 264}, {300, 1000}})
    for (const DType dtype : {DType::kBf16, DType::kFp16, DType::kFp32})
      for (const ScaleBlock block :
           {ScaleBlock::k1x128, ScaleBlock::k128x128, ScaleBlock::k1x128Transposed})
        for (int bits = 0; bits < 16; ++bits)
          expect_same_bits({.rows = rows,
                            .cols = cols,
                            .dtype = dtype,
                            .block = block,
                            .power_of_two = (bits & 1) != 0,
                            .scale_rows_contiguous = (bits & 2) != 0,
                            .x_padding = (bits & 4) != 0 ? 5 : 0,
                            .q_padding = (bits & 4) != 0 ? 3 : 0,
                            .x_offset = (bits & 8) != 0 ? 1 : 0});
}

TEST(QuantizeDevice, ShapesOfModels) {
  for (const ScaleBlock block :
       {ScaleBlock::k1x128, ScaleBlock::k128x128, ScaleBlock::k1x128Transposed}) {
    expect_same_bits({.rows = 4097, .cols = 7168, .block = block});
    expect_same_bits({.rows = 2112, .cols = 7168, .dtype = DType::kFp32, .block = block});
  }
}

TEST(SanitizerDevice, Casts) {
  for (const ScaleBlock block :
       {ScaleBlock::k1x128, ScaleBlock::k128x128, ScaleBlock::k1x128Transposed})
    expect_same_bits({.rows = 131, .cols = 265, .block = block, .x_padding = 3, .q_padding = 1});
}

TEST(QuantizeDevice, CopiesScalesBetweenOrders) {
  const cuda::Device& device = Oracle::instance().device();
  const Device gpu{DeviceType::kCuda, 0};
  for (const auto& [rows, cols] : {std::pair<int, int>{1, 1}, {33, 31}, {4097, 56}}) {
    const std::int64_t pitch = (rows + 3) / 4 * 4;
    std::vector<float> from(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
    cuda::Buffer a(device, rows * cols * 4), b(device, pitch * cols * 4),
        c(device, rows * cols * 4);
    a.upload(from.data(), a.bytes());
    const TensorView kmajor = TensorView::matrix(a.data(), DType::kFp32, rows, cols, 0, gpu);
    const TensorView mmajor =
        TensorView::matrix(b.data(), DType::kFp32, cols, rows, pitch, gpu).transposed();
    const TensorView again = TensorView::matrix(c.data(), DType::kFp32, rows, cols, 0, gpu);
    copy_scales(Oracle::instance().context(), kmajor, mmajor);
    copy_scales(Oracle::instance().context(), mmajor, again);
    std::vector<float> turned(static_cast<std::size_t>(pitch * cols)), back(from.size());
    b.download(turned.data(), b.bytes());
    c.download(back.data(), c.bytes());
    EXPECT_EQ(back, from) << rows << " x " << cols;
    for (std::int64_t row = 0; row < rows; ++row)
      ASSERT_EQ(turned[static_cast<std::size_t>((cols - 1) * pitch + row)],
                from[static_cast<std::size_t>(row * cols + cols - 1)]);
  }
}

TEST(LargeDevice, CastOfMoreThanTwoToThe31Elements) {
  constexpr std::int64_t kRows = 66000, kCols = 32768;
  const cuda::Device& device = Oracle::instance().device();
  const Device gpu{DeviceType::kCuda, 0};
  cuda::Buffer x(device, kRows * kCols * 2), q(device, kRows * kCols),
      scale(device, kRows * (kCols / 128) * 4);
  x.fill(0x3f);  // bf16 0x3f3f = 0.74609375: each block's own maximum, so every code is 448's
  q.fill(kCanary);
  quantize(Oracle::instance().context(),
           TensorView::matrix(x.data(), DType::kBf16, kRows, kCols, 0, gpu),
           TensorView::matrix(q.data(), DType::kE4M3, kRows, kCols, 0, gpu),
           TensorView::matrix(scale.data(), DType::kFp32, kCols / 128, kRows, 0, gpu).transposed());
  std::vector<unsigned char> codes(kCols);
  std::vector<float> scales(kCols / 128);
  for (const std::int64_t row : {std::int64_t{0}, std::int64_t{65536}, kRows - 1}) {
    q.download(codes.data(), kCols, row * kCols);
    EXPECT_EQ(codes, std::vector<unsigned char>(kCols, 0x7e)) << "row " << row;
  }
  float last = 0;
  scale.download(&last, 4, scale.bytes() - 4);
  EXPECT_EQ(last, 0.74609375f / 448.0f);
}

TEST(QuantizeDevice, RateIsThatOfMemory) {
  constexpr std::int64_t kRows = 16384, kCols = 7168;
  constexpr int kRepeats = 20;
  const cuda::Device& device = Oracle::instance().device();
  const Device gpu{DeviceType::kCuda, 0};
  cuda::Buffer x(device, kRows * kCols * 2), q(device, kRows * kCols),
      scale(device, kRows * 56 * 4);
  x.fill(0x3f);
  for (const ScaleBlock block :
       {ScaleBlock::k1x128, ScaleBlock::k128x128, ScaleBlock::k1x128Transposed}) {
    const bool transposed = block == ScaleBlock::k1x128Transposed;
    const std::int64_t rows = transposed ? kCols : kRows, cols = transposed ? kRows : kCols;
    const std::int64_t scale_rows = block == ScaleBlock::k128x128 ? kRows / 128 : rows;
    const auto cast = [&, rows = rows, cols = cols] {
      quantize(Oracle::instance().context(),
               TensorView::matrix(x.data(), DType::kBf16, kRows, kCols, 0, gpu),
               TensorView::matrix(q.data(), DType::kE4M3, rows, cols, 0, gpu),
               TensorView::matrix(scale.data(), DType::kFp32, cols / 128, scale_rows, 0, gpu)
                   .transposed(),
               {.block = block});
    };
    cast();
    const cuda::Event start(device), end(device);
    start.record(nullptr);
    for (int i = 0; i < kRepeats; ++i) cast();
    end.record(nullptr);
    end.synchronize();
    const double bytes = 3.0 * kRows * kCols * kRepeats;
    const double gb_per_s = bytes / (end.milliseconds_since(start) * 1e6);
    Summary::instance().note(fmt::format("cast_gb_per_s_block_{}", static_cast<int>(block)),
                             fmt::format("{:.0f}", gb_per_s));
    // A third of what an H200 copies (4.29 TB/s measured): a slip into scalar or uncoalesced
    // accesses shows.
    EXPECT_GT(gb_per_s, 1400) << static_cast<int>(block);
  }
}

}  // namespace
}  // namespace fathom::testing
