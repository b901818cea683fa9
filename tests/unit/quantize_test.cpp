// quantize and dequantize: worked values, the CPU backend against the reference bit for bit,
// special values, messages.
#include <fathom/quantize.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/row_ops.hpp"
#include "reference/quantize.hpp"
#include "support/fp8.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr ScaleBlock kBlocks[] = {ScaleBlock::k1x128, ScaleBlock::k128x128,
                                  ScaleBlock::k1x128Transposed};

/// A cast of x [rows, cols] with memory for its results; everything not written by the cast keeps
/// 0xee.
struct Cast {
  Cast(std::int64_t rows, std::int64_t cols, DType dtype, ScaleBlock block,
       bool scale_rows_contiguous = false, std::int64_t extra_pitch = 0)
      : block(block) {
    const bool transposed = block == ScaleBlock::k1x128Transposed;
    const std::int64_t q_rows = transposed ? cols : rows;
    const std::int64_t q_cols = transposed ? rows : cols;
    const std::int64_t scale_rows = block == ScaleBlock::k128x128 ? (q_rows + 127) / 128 : q_rows;
    const std::int64_t scale_cols = (q_cols + 127) / 128;
    x_memory.resize(static_cast<std::size_t>(rows * (cols + extra_pitch) * size_of(dtype)));
    q_memory.assign(static_cast<std::size_t>(q_rows * (q_cols + extra_pitch)), 0xee);
    scale_memory.assign(static_cast<std::size_t>(scale_rows * scale_cols), -1.0f);
    x = TensorView::matrix(x_memory.data(), dtype, rows, cols, cols + extra_pitch);
    q = TensorView::matrix(q_memory.data(), DType::kE4M3, q_rows, q_cols, q_cols + extra_pitch);
    scale = scale_rows_contiguous
                ? TensorView::matrix(scale_memory.data(), DType::kFp32, scale_cols, scale_rows)
                      .transposed()
                : TensorView::matrix(scale_memory.data(), DType::kFp32, scale_rows, scale_cols);
  }

  void set(std::int64_t row, std::int64_t col, float value) {
    const auto i = static_cast<std::size_t>(row * x.stride[0] + col);
    switch (x.dtype) {
      case DType::kBf16:
        reinterpret_cast<std::uint16_t*>(x_memory.data())[i] = support::bf16_from_float(value);
        break;
      case DType::kFp16:
        reinterpret_cast<std::uint16_t*>(x_memory.data())[i] = support::fp16_from_float(value);
        break;
      default:
        reinterpret_cast<float*>(x_memory.data())[i] = value;
    }
  }

  void run(Backend backend, bool power_of_two = false, int threads = 2) {
    ContextOptions options;
    options.num_threads = threads;
    quantize(Context(options), x, q, scale,
             {.block = block, .power_of_two_scales = power_of_two, .backend = backend});
  }

  ScaleBlock block;
  std::vector<std::uint8_t> x_memory, q_memory;
  std::vector<float> scale_memory;
  TensorView x, q, scale;
};

TEST(Quantize, WorkedRow) {
  Cast cast(1, 4, DType::kFp32, ScaleBlock::k1x128);
  const float values[] = {896.0f, -2.0f, 0.0f, 17.0f};
  for (int i = 0; i < 4; ++i) cast.set(0, i, values[i]);
  for (const Backend backend : {Backend::kReference, Backend::kCpu}) {
    cast.run(backend);
    EXPECT_EQ(cast.scale_memory[0], 2.0f);
    // 448, -1, 0, and 8.5, halfway between 8 and 9, which goes to the even code
    EXPECT_EQ(cast.q_memory, (std::vector<std::uint8_t>{0x7e, 0xb8, 0x00, 0x50}));
  }
}

TEST(Quantize, ScaleOfABlock) {
  EXPECT_EQ(reference::block_scale(0.0f, false), 1e-4f / 448.0f);
  EXPECT_EQ(reference::block_scale(1e-5f, false), 1e-4f / 448.0f);
  EXPECT_EQ(reference::block_scale(448.0f, true), 1.0f);
  EXPECT_EQ(reference::block_scale(std::nextafter(448.0f, 1e9f), true), 2.0f);
  EXPECT_EQ(reference::block_scale(224.5f, true), 1.0f);
  EXPECT_EQ(reference::block_scale(kInfinity, true), kInfinity);
}

class QuantizeBlocks : public ::testing::TestWithParam<ScaleBlock> {};
INSTANTIATE_TEST_SUITE_P(EveryBlock, QuantizeBlocks, ::testing::ValuesIn(kBlocks));

/// Magnitudes over the whole range of FP32, with zeros, infinities and NaN now and then.
float awkward(support::Random& random) {
  const auto kind = random.integer(0, 400);
  if (kind == 0) return kInfinity;
  if (kind == 1) return -kNan;
  if (kind < 20) return kind % 2 == 0 ? 0.0f : -0.0f;
  if (kind < 40) return std::bit_cast<float>(static_cast<std::uint32_t>(random.bits()));
  return static_cast<float>(random.normal() *
                            std::exp2(static_cast<double>(random.integer(-12, 12))));
}

TEST_P(QuantizeBlocks, CpuGivesTheReferencesBits) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    support::Random random(seed);
    const std::int64_t rows = random.integer(1, 300);
    const std::int64_t cols = random.integer(1, 300);
    const auto dtype = static_cast<DType>(random.integer(2, 4));
    const bool scale_order = random.integer(0, 1) == 1;
    const bool power_of_two = random.integer(0, 1) == 1;
    Cast expected(rows, cols, dtype, GetParam(), scale_order, 5);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) expected.set(row, col, awkward(random));
    }
    Cast got(rows, cols, dtype, GetParam(), scale_order, 5);
    got.x_memory = expected.x_memory;
    got.x.data = got.x_memory.data();
    expected.run(Backend::kReference, power_of_two);
    got.run(Backend::kCpu, power_of_two, 1 + static_cast<int>(seed % 4));
    const std::string what =
        fmt::format("seed {}, [{}, {}], {}", seed, rows, cols, to_string(dtype));
    EXPECT_TRUE(got.q_memory == expected.q_memory) << what;  // the padding too: neither writes it
    EXPECT_TRUE(got.scale_memory == expected.scale_memory) << what;
  }
}

TEST_P(QuantizeBlocks, DequantizeInvertsUpToRounding) {
  for (const DType dtype : {DType::kFp32, DType::kBf16}) {
    support::Random random(7);
    Cast cast(200, 150, dtype, GetParam());
    for (std::int64_t row = 0; row < 200; ++row) {
      for (std::int64_t col = 0; col < 150; ++col)
        cast.set(row, col, static_cast<float>(random.normal()));
    }
    const std::vector<std::uint8_t> original = cast.x_memory;
    cast.run(Backend::kCpu);
    const Context context;
    dequantize(context, cast.q, cast.scale, cast.x, GetParam(), Backend::kReference);
    const std::vector<std::uint8_t> expected = cast.x_memory;
    std::fill(cast.x_memory.begin(), cast.x_memory.end(), std::uint8_t{0});
    dequantize(context, cast.q, cast.scale, cast.x, GetParam(), Backend::kCpu);
    EXPECT_TRUE(cast.x_memory == expected);
    for (std::size_t i = 0; i < 200 * 150; ++i) {
      const auto value = [&](const std::vector<std::uint8_t>& memory) {
        if (dtype == DType::kFp32) return reinterpret_cast<const float*>(memory.data())[i];
        return support::bf16_to_float(reinterpret_cast<const std::uint16_t*>(memory.data())[i]);
      };
      // Half a step of three mantissa bits, 2^-4 of the value, a little more for the other
      // roundings; below that half of the smallest step, 2^-10 of a scale of at most 6 / 448.
      const float bound = std::abs(value(original)) * 0.0665f + 0x1p-10f * 6 / 448;
      ASSERT_NEAR(value(cast.x_memory), value(original), bound) << i;
    }
  }
}

TEST_P(QuantizeBlocks, SpecialValuesHaveDefinedResults) {
  for (const Backend backend : {Backend::kReference, Backend::kCpu}) {
    Cast zeros(3, 5, DType::kBf16, GetParam());
    zeros.set(1, 1, -0.0f);
    zeros.run(backend);
    EXPECT_EQ(zeros.scale_memory[0], 1e-4f / 448.0f);
    EXPECT_EQ(std::count(zeros.q_memory.begin(), zeros.q_memory.end(), 0x00), 14);
    EXPECT_EQ(std::count(zeros.q_memory.begin(), zeros.q_memory.end(), 0x80), 1);

    Cast nan(1, 1, DType::kFp32, GetParam());
    nan.set(0, 0, -kNan);
    nan.run(backend);
    EXPECT_EQ(nan.scale_memory[0], 1e-4f / 448.0f);
    EXPECT_EQ(nan.q_memory[0], 0x7f);

    Cast infinite(1, 2, DType::kFp32,
                  GetParam() == ScaleBlock::k1x128Transposed ? ScaleBlock::k1x128 : GetParam());
    infinite.set(0, 0, -kInfinity);
    infinite.set(0, 1, -3.0f);
    infinite.run(backend, true);
    EXPECT_EQ(infinite.scale_memory[0], kInfinity);
    EXPECT_EQ(infinite.q_memory[0], 0x7f);
    EXPECT_EQ(infinite.q_memory[1], 0x80);
  }
}

TEST_P(QuantizeBlocks, NothingToDo) {
  for (const auto& [rows, cols] : {std::pair{0, 5}, std::pair{5, 0}, std::pair{0, 0}}) {
    Cast cast(rows, cols, DType::kFp32, GetParam());
    EXPECT_NO_THROW(cast.run(Backend::kCpu));
    EXPECT_NO_THROW(cast.run(Backend::kReference));
  }
}

TEST(RowOps, EveryInstructionSetGivesTheSameBits) {
  const cpu::RowOps& wide = cpu::row_ops();
  const cpu::RowOps& portable = cpu::portable_row_ops();
  support::Random random(3);
  constexpr std::int64_t kCount = 259;  // no multiple of any vector width
  std::vector<float> in(kCount), scale(kCount), out[2];
  std::vector<std::uint16_t> halves(kCount), stored[2];
  std::vector<std::uint8_t> codes(kCount), encoded[2];
  for (std::size_t i = 0; i < kCount; ++i) {
    in[i] = awkward(random);
    scale[i] = static_cast<float>(random.uniform() + 0.1);
    halves[i] = static_cast<std::uint16_t>(random.bits());
    codes[i] = static_cast<std::uint8_t>(i);
  }
  const auto bits = [](const std::vector<float>& values) {
    std::vector<std::uint32_t> result;
    for (const float value : values) result.push_back(std::bit_cast<std::uint32_t>(value));
    return result;
  };
  const cpu::RowOps* sets[] = {&wide, &portable};
  std::vector<std::uint32_t> decoded[2], loaded[2], maxima[2];
  for (std::size_t s = 0; s < 2; ++s) {
    out[s].resize(kCount);
    stored[s].resize(kCount);
    encoded[s].resize(kCount);
    sets[s]->decode(codes.data(), kCount, 0.3f, out[s].data());
    decoded[s] = bits(out[s]);
    sets[s]->load(halves.data(), DType::kFp16, kCount, out[s].data());
    loaded[s] = bits(out[s]);
    std::fill(out[s].begin(), out[s].end(), 0.5f);
    sets[s]->max_magnitude(in.data(), kCount, out[s].data());
    maxima[s] = bits(out[s]);
    sets[s]->store_bf16(in.data(), kCount, stored[s].data());
    sets[s]->encode_scaled(in.data(), kCount, scale.data(), encoded[s].data());
  }
  EXPECT_EQ(decoded[0], decoded[1]) << wide.instruction_set;
  EXPECT_EQ(loaded[0], loaded[1]) << wide.instruction_set;
  EXPECT_EQ(maxima[0], maxima[1]) << wide.instruction_set;
  EXPECT_EQ(stored[0], stored[1]) << wide.instruction_set;
  EXPECT_EQ(encoded[0], encoded[1]) << wide.instruction_set;
  EXPECT_EQ(wide.amax(in.data(), kCount), portable.amax(in.data(), kCount));
}

std::string refusal(Cast& cast, Backend backend = Backend::kAuto) {
  try {
    cast.run(backend);
  } catch (const Error& error) {
    return fmt::format("{}: {}", to_string(error.code()), error.what());
  }
  return "accepted";
}

TEST(QuantizeCheck, EveryRuleHasItsMessage) {
  const auto fresh = [] { return Cast(200, 300, DType::kBf16, ScaleBlock::k128x128); };
  Cast rank = fresh();
  rank.x.rank = 1;
  EXPECT_THAT(refusal(rank), HasSubstr("quantize: x has 1 dimensions"));
  Cast shape = fresh();
  shape.q.shape[1] = 299;
  EXPECT_THAT(refusal(shape),
              HasSubstr("q has shape [200, 299]; for x of shape [200, 300] it needs [200, 300]"));
  Cast scales = fresh();
  scales.scale.shape[0] = 3;
  EXPECT_THAT(
      refusal(scales),
      HasSubstr("scale has shape [3, 3]; for x of shape [200, 300] and one scale per 128 x 128 "
                "block of q it needs [2, 3]"));
  Cast type = fresh();
  type.x.dtype = DType::kInt32;
  EXPECT_THAT(refusal(type), HasSubstr("x has dtype int32; it needs bf16 or fp16 or fp32"));
  Cast null = fresh();
  null.q.data = nullptr;
  EXPECT_THAT(refusal(null), HasSubstr("q has a null pointer"));
  Cast strides = fresh();
  strides.x = strides.x.transposed();
  std::swap(strides.x.shape[0], strides.x.shape[1]);
  EXPECT_THAT(refusal(strides), HasSubstr("quantize: x "));
  Cast columns(300, 200, DType::kBf16, ScaleBlock::k128x128);
  columns.x = TensorView::matrix(columns.x_memory.data(), DType::kBf16, 200, 300).transposed();
  EXPECT_THAT(refusal(columns), HasSubstr("its last dimension must be contiguous"));
  Cast overlap = fresh();
  overlap.q.data = overlap.x.data;
  EXPECT_THAT(refusal(overlap), HasSubstr("what is written must not overlap"));
  Cast block = fresh();
  block.block = static_cast<ScaleBlock>(9);
  EXPECT_THAT(refusal(block), HasSubstr("block is 9"));
  Cast device = fresh();
  for (TensorView* view : {&device.x, &device.q, &device.scale})
    view->device = {DeviceType::kCuda, 0};
  EXPECT_THAT(refusal(device, Backend::kCpu),
              HasSubstr("invalid_argument: quantize: x is on cuda:0"));
  Cast mixed = fresh();
  mixed.q.device = {DeviceType::kCuda, 0};
  EXPECT_THAT(refusal(mixed), HasSubstr("q is on cuda:0 and x on cpu"));
  Cast unchanged = fresh();
  unchanged.scale.shape[0] = 3;
  refusal(unchanged);
  EXPECT_TRUE(std::all_of(unchanged.q_memory.begin(), unchanged.q_memory.end(),
                          [](auto code) { return code == 0xee; }));
}

}  // namespace
}  // namespace fathom
