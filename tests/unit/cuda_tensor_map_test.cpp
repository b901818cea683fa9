// Tensor maps: what is refused and why, what reaches the driver, what a refusal of the driver
// prints.
#include "cuda/tensor_map.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include <fathom/error.hpp>

#include "cuda/device.hpp"
#include "support/recording_cuda.hpp"

namespace fathom::cuda {
namespace {

using fathom::testing::RecordingCuda;
using ::testing::HasSubstr;

alignas(256) unsigned char memory[1024];

/// [64, 100] of FP8 with a pitch of 112 bytes.
TensorMapSpec good() {
  return {.name = "a",
          .type = abi::TensorMapDataType::kUint8,
          .base = memory,
          .rank = 2,
          .dims = {100, 64},
          .stride_bytes = {112},
          .box = {128, 64},
          .swizzle = abi::TensorMapSwizzle::k128,
          .promotion = abi::TensorMapL2Promotion::k256};
}

TEST(CudaTensorMapTest, EachRuleHasItsReason) {
  EXPECT_EQ(tensor_map_problem(good()), std::nullopt);
  const auto expect_problem = [](auto change, const char* reason) {
    TensorMapSpec spec = good();
    change(spec);
    const auto problem = tensor_map_problem(spec);
    ASSERT_TRUE(problem.has_value()) << reason;
    EXPECT_THAT(*problem, HasSubstr(reason));
  };
  expect_problem([](auto& s) { s.base = nullptr; }, "base address is null");
  expect_problem([](auto& s) { s.base = memory + 8; }, "not a multiple of 16 bytes");
  expect_problem([](auto& s) { s.stride_bytes[0] = 100; }, "stride of dimension 1 is 100 bytes");
  expect_problem([](auto& s) { s.stride_bytes[0] = std::int64_t{1} << 40; }, "under 2^40");
  expect_problem([](auto& s) { s.dims[1] = 0; }, "dimension 1 is 0");
  expect_problem([](auto& s) { s.dims[0] = (std::int64_t{1} << 32) + 1; }, "1 to 2^32");
  expect_problem([](auto& s) { s.box[1] = 257; }, "box edge 1 is 257; it needs 1 to 256");
  expect_problem([](auto& s) { s.box[0] = 100; }, "100 bytes wide; it needs a multiple of 16");
  expect_problem([](auto& s) { s.box[0] = 144; }, "its swizzle needs at most 128");
  expect_problem([](auto& s) { s.rank = 6; }, "rank is 6");
}

TEST(CudaTensorMapTest, DriverGetsEveryField) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const ContextGuard current(driver.device(0));
  abi::TensorMap encoded;
  encode_tensor_map(driver, good(), &encoded);
  RecordingCudaTensorMap map;
  std::memcpy(&map, &encoded, sizeof(map));
  EXPECT_EQ(map.base, reinterpret_cast<std::uint64_t>(memory));
  EXPECT_EQ(map.rank, 2);
  EXPECT_EQ(map.dims[0], 100u);
  EXPECT_EQ(map.dims[1], 64u);
  EXPECT_EQ(map.strides[0], 112u);
  EXPECT_EQ(map.box[0], 128);
  EXPECT_EQ(map.box[1], 64);
  EXPECT_EQ(map.element_strides[0], 1);
  EXPECT_EQ(map.swizzle, 3);
  EXPECT_EQ(map.promotion, 3);
  EXPECT_EQ(map.fill, 0);
}

TEST(CudaTensorMapTest, RefusalsPrintEveryArgument) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const ContextGuard current(driver.device(0));
  gpu.fail("cuTensorMapEncodeTiled", 1, abi::kErrorInvalidValue);
  abi::TensorMap encoded;
  try {
    encode_tensor_map(driver, good(), &encoded);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDriver);
    for (const char* part :
         {"cuTensorMapEncodeTiled failed with CUDA_ERROR_INVALID_VALUE (1)", "a: uint8 base 0x",
          "dims [100, 64]", "strides [112]", "box [128, 64]", "swizzle 128", "promotion 256"}) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
  TensorMapSpec bad = good();
  bad.stride_bytes[0] = 100;
  try {
    encode_tensor_map(driver, bad, &encoded);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("describing a to the bulk copy engine"));
  }
  EXPECT_EQ(gpu.count("cuTensorMapEncodeTiled"), 1) << "a broken rule never reaches the driver";
}

// As the driver answers on an H200.
TEST(CudaTensorMapTest, EncodingNeedsACurrentContext) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  driver.device(0);
  abi::TensorMap encoded;
  try {
    encode_tensor_map(driver, good(), &encoded);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("CUDA_ERROR_INVALID_CONTEXT (201)"));
  }
}

}  // namespace
}  // namespace fathom::cuda
