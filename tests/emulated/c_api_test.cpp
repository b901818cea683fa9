// The C interface end to end without a GPU: device memory, a cast and a product in the emulator.
#include <fathom/c_api.h>
#include <gtest/gtest.h>

#include <vector>

#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "emulated/emulated_gemm.hpp"

namespace fathom::testing {
namespace {

constexpr std::int64_t kM = 20, kN = 24, kK = 256;

fathom_tensor on_device(fathom_tensor tensor) {
  tensor.device_type = FATHOM_CUDA;
  return tensor;
}

template <typename T>
cuda::Buffer upload(const cuda::Device& device, const std::vector<T>& values) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
  cuda::Buffer buffer(device, bytes);
  buffer.upload(values.data(), bytes);
  return buffer;
}

class EmulatedC : public ::testing::Test {
 protected:
  EmulatedC() : library_(emulator_context().options().libcuda) {
    fathom_context_options options = {};
    options.struct_size = sizeof options;
    options.libcuda = library_.c_str();
    EXPECT_EQ(fathom_context_create(&options, &context_), FATHOM_OK) << fathom_last_error_message();
  }
  ~EmulatedC() override { fathom_context_destroy(context_); }

  const cuda::Device& device() const { return cuda::Driver::load(library_).device(0); }

  std::string library_;
  fathom_context* context_ = nullptr;
};

TEST_F(EmulatedC, CastsAndMultiplies) {
  // 0x4000 is 2 in bf16: scale 2/448, code 448. B is all ones (0x38) with scale 1.
  const cuda::Buffer x = upload(device(), std::vector<std::uint16_t>(kM * kK, 0x4000));
  const cuda::Buffer a = upload(device(), std::vector<std::uint8_t>(kM * kK));
  const cuda::Buffer scale_a = upload(device(), std::vector<float>(kM * 2));
  const cuda::Buffer b = upload(device(), std::vector<std::uint8_t>(kN * kK, 0x38));
  const cuda::Buffer scale_b = upload(device(), std::vector<float>(2, 1.0f));
  const cuda::Buffer d = upload(device(), std::vector<std::uint16_t>(kM * kN));

  fathom_quantize_args cast = {};
  cast.struct_size = sizeof cast;
  cast.x = on_device(fathom_matrix(x.data(), FATHOM_BF16, kM, kK, 0));
  cast.q = on_device(fathom_matrix(a.data(), FATHOM_E4M3, kM, kK, 0));
  cast.scale = on_device(fathom_matrix(scale_a.data(), FATHOM_FP32, kM, 2, 0));
  ASSERT_EQ(fathom_quantize(context_, &cast, nullptr), FATHOM_OK) << fathom_last_error_message();

  fathom_gemm_args args = {};
  args.struct_size = sizeof args;
  args.a = cast.q;
  args.scale_a = cast.scale;
  args.b = on_device(fathom_matrix(b.data(), FATHOM_E4M3, kN, kK, 0));
  args.scale_b = on_device(fathom_matrix(scale_b.data(), FATHOM_FP32, 1, 2, 0));
  args.d = on_device(fathom_matrix(d.data(), FATHOM_BF16, kM, kN, 0));
  ASSERT_EQ(fathom_gemm(context_, &args, nullptr), FATHOM_OK) << fathom_last_error_message();

  std::vector<std::uint16_t> got(kM * kN);
  d.download(got.data(), d.bytes());
  for (const std::uint16_t value : got) ASSERT_EQ(value, 0x4400);  // 2 * 256 in bf16
}

TEST_F(EmulatedC, RefusesACastThatIsNotBuiltIn) {
  const cuda::Buffer x = upload(device(), std::vector<std::uint16_t>(kM * kK));
  const cuda::Buffer a = upload(device(), std::vector<std::uint8_t>(kM * kK));
  const cuda::Buffer scale = upload(device(), std::vector<float>(kM * 2));
  fathom_quantize_args cast = {};
  cast.struct_size = sizeof cast;
  cast.x = on_device(fathom_matrix(x.data(), FATHOM_FP16, kM, kK, 0));
  cast.q = on_device(fathom_matrix(a.data(), FATHOM_E4M3, kM, kK, 0));
  cast.scale = on_device(fathom_matrix(scale.data(), FATHOM_FP32, kM, 2, 0));
  EXPECT_EQ(fathom_quantize(context_, &cast, nullptr), FATHOM_UNSUPPORTED);
  EXPECT_NE(std::string(fathom_last_error_message()).find("built into it"), std::string::npos);
}

}  // namespace
}  // namespace fathom::testing
