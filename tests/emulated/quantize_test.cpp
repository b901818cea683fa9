// The casts and the copy of scales in the emulator, bit by bit against the CPU backend.
#include <fathom/c_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "emulated/emulated_gemm.hpp"

namespace fathom::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Host memory and its copy on the emulated device.
struct Pair {
  Bytes host;
  cuda::Buffer device;

  Pair(const cuda::Device& gpu, Bytes bytes) : host(std::move(bytes)) {
    device = cuda::Buffer(gpu, static_cast<std::int64_t>(host.size()));
    device.upload(host.data(), device.bytes());
  }
  Bytes on_device() const {
    Bytes bytes(host.size());
    device.download(bytes.data(), device.bytes());
    return bytes;
  }
};

fathom_tensor matrix(void* data, std::int32_t dtype, std::int64_t rows, std::int64_t cols, bool gpu,
                     bool rows_contiguous = false) {
  fathom_tensor tensor = fathom_matrix(data, dtype, rows, cols, 0);
  if (rows_contiguous) {
    tensor.stride[0] = 1;
    tensor.stride[1] = (rows + 3) / 4 * 4;
  }
  if (gpu) tensor.device_type = FATHOM_CUDA;
  return tensor;
}

class EmulatedCast : public EmulatedCTest {
 protected:
  /// Values of bf16 (2 bytes an element) or fp32 over some binades, zeros and a block of zeros.
  Bytes values(std::int64_t count, int bytes_each) {
    Bytes bytes(static_cast<std::size_t>(count * bytes_each));
    std::mt19937 random(7);
    for (std::int64_t i = 0; i < count; ++i) {
      float value = std::normal_distribution<float>(0, 4)(random) * (i % 5 == 0 ? 300.0f : 1.0f);
      if (i < 200 || i % 17 == 0) value = 0;
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      if (bytes_each == 2) bits >>= 16;
      std::memcpy(bytes.data() + i * bytes_each, &bits, static_cast<std::size_t>(bytes_each));
    }
    return bytes;
  }
};

struct CastCase {
  std::int32_t dtype, block;
  std::int64_t rows, cols;  ///< of q
  bool scales_rows_contiguous;
  std::uint64_t flags;
};

void expect_equal_casts(const CastCase& c, fathom_context* context, const cuda::Device& device,
                        const Bytes& values) {
  const std::int64_t blocks = (c.cols + 127) / 128;
  const std::int64_t scale_rows = c.block == FATHOM_BLOCK_128X128 ? (c.rows + 127) / 128 : c.rows;
  const bool transposed = c.block == FATHOM_BLOCK_1X128_TRANSPOSED;
  Pair x(device, values);
  Pair q(device, Bytes(static_cast<std::size_t>(c.rows * c.cols), 0x55));
  Pair scale(device, Bytes(static_cast<std::size_t>((scale_rows + 3) / 4 * 4 * blocks * 4), 0x55));
  for (const bool gpu : {false, true}) {
    const auto at = [&](Pair& pair) -> void* {
      return gpu ? pair.device.data() : static_cast<void*>(pair.host.data());
    };
    fathom_quantize_args args = {};
    args.struct_size = sizeof args;
    args.x =
        matrix(at(x), c.dtype, transposed ? c.cols : c.rows, transposed ? c.rows : c.cols, gpu);
    args.q = matrix(at(q), FATHOM_E4M3, c.rows, c.cols, gpu);
    args.scale = matrix(at(scale), FATHOM_FP32, scale_rows, blocks, gpu, c.scales_rows_contiguous);
    args.block = c.block;
    args.flags = c.flags;
    ASSERT_EQ(fathom_quantize(context, &args, nullptr), FATHOM_OK) << fathom_last_error_message();
  }
  EXPECT_EQ(q.on_device(), q.host);
  EXPECT_EQ(scale.on_device(), scale.host);
}

TEST_F(EmulatedCast, OfRowsHasTheBitsOfTheCpu) {
  const Bytes x = values(70 * 304, 2);
  for (const bool rows_contiguous : {false, true})
    for (const std::uint64_t flags : {std::uint64_t{0}, FATHOM_QUANTIZE_POWER_OF_TWO_SCALES})
      expect_equal_casts({FATHOM_BF16, FATHOM_BLOCK_1X128, 70, 304, rows_contiguous, flags},
                         context_, device(), x);
}

TEST_F(EmulatedCast, OfSquaresHasTheBitsOfTheCpu) {
  expect_equal_casts({FATHOM_FP32, FATHOM_BLOCK_128X128, 150, 304, false, 0}, context_, device(),
                     values(150 * 304, 4));
}

TEST_F(EmulatedCast, OfTheTransposeHasTheBitsOfTheCpu) {
  expect_equal_casts({FATHOM_BF16, FATHOM_BLOCK_1X128_TRANSPOSED, 72, 304, true, 0}, context_,
                     device(), values(72 * 304, 2));
}

TEST_F(EmulatedCast, BackToBf16HasTheBitsOfTheCpu) {
  constexpr std::int64_t kRows = 20, kCols = 304, kBlocks = 3;
  Bytes codes(kRows * kCols);
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = static_cast<std::uint8_t>(i % 127 + (i % 2 == 0 ? 128 : 0));
  Pair q(device(), codes);
  Pair scale(device(), values(kRows * kBlocks, 4));
  Pair x(device(), Bytes(kRows * kCols * 2, 0x55));
  for (const bool gpu : {false, true}) {
    const auto at = [&](Pair& pair) -> void* {
      return gpu ? pair.device.data() : static_cast<void*>(pair.host.data());
    };
    fathom_quantize_args args = {};
    args.struct_size = sizeof args;
    args.x = matrix(at(x), FATHOM_BF16, kRows, kCols, gpu);
    args.q = matrix(at(q), FATHOM_E4M3, kRows, kCols, gpu);
    args.scale = matrix(at(scale), FATHOM_FP32, kRows, kBlocks, gpu);
    ASSERT_EQ(fathom_dequantize(context_, &args, nullptr), FATHOM_OK)
        << fathom_last_error_message();
  }
  EXPECT_EQ(x.on_device(), x.host);
}

TEST_F(EmulatedCast, CopiesScalesIntoTheOtherOrder) {
  constexpr std::int64_t kRows = 75, kBlocks = 9;
  Pair from(device(), values(kRows * kBlocks, 4));
  Pair to(device(), Bytes(76 * kBlocks * 4, 0x55));
  for (const bool gpu : {false, true}) {
    const fathom_tensor source =
        matrix(gpu ? from.device.data() : from.host.data(), FATHOM_FP32, kRows, kBlocks, gpu);
    const fathom_tensor target =
        matrix(gpu ? to.device.data() : to.host.data(), FATHOM_FP32, kRows, kBlocks, gpu, true);
    ASSERT_EQ(fathom_copy_scales(context_, &source, &target, FATHOM_BACKEND_AUTO, nullptr),
              FATHOM_OK)
        << fathom_last_error_message();
  }
  EXPECT_EQ(to.on_device(), to.host);
}

}  // namespace
}  // namespace fathom::testing
