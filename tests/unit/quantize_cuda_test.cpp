// Casts of CUDA tensors from the public interface to the driver's calls, over the recording driver:
// which kernel, which parameters, and what is never called. No GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>

#include <fathom/quantize.hpp>

#include "api/cuda_runtime.hpp"
#include "cuda/memory.hpp"
#include "plan/quantize_configs.hpp"
#include "quantize/params.hpp"
#include "support/fake_compiler.hpp"
#include "support/recording_cuda.hpp"
#include "support/scratch_directory.hpp"

namespace fathom {
namespace {

using device::quantize::Params;
using ::testing::HasSubstr;

class QuantizeCudaTest : public ::testing::Test {
 protected:
  QuantizeCudaTest() {
    gpu_.set("param_bytes", sizeof(Params));
    const Context maker(ContextOptions{.cache_dir = scratch_.file("cache")});
    jit::Builder builder(api::builder_options(maker, 13), embedded::device_sources(),
                         std::make_shared<testing::FakeCompiler>());
    for (const plan::QuantizeConfig& config : plan::quantize_configs())
      builder.build(plan::quantize_kernel_name(config), plan::quantize_source(config));
  }

  Context context() const {
    return Context(ContextOptions{
        .cache_dir = scratch_.file("cache"), .libcuda = gpu_.path(), .compiler = "none"});
  }
  cuda::Buffer buffer(std::int64_t bytes) {
    return cuda::Buffer(cuda::Driver::load(gpu_.path()).device(0), bytes);
  }
  static TensorView matrix(const cuda::Buffer& memory, DType dtype, std::int64_t rows,
                           std::int64_t cols, std::int64_t pitch = 0) {
    return TensorView::matrix(memory.data(), dtype, rows, cols, pitch, {DeviceType::kCuda, 0});
  }
  RecordingCudaLaunch only_launch() {
    const auto launches = gpu_.launches();
    EXPECT_EQ(launches.size(), 1u);
    return launches.empty() ? RecordingCudaLaunch{} : launches[0];
  }
  static Params params_of(const RecordingCudaLaunch& launch) {
    Params params;
    EXPECT_EQ(launch.param_bytes, static_cast<std::int64_t>(sizeof(params)));
    std::memcpy(static_cast<void*>(&params), launch.params, sizeof(params));
    return params;
  }

  testing::RecordingCuda gpu_;
  testing::ScratchDirectory scratch_;
};

TEST_F(QuantizeCudaTest, LaunchesTheKernelOfTypeAndForm) {
  const cuda::Buffer x = buffer(300 * 7168 * 2), q = buffer(300 * 7168),
                     scale = buffer(300 * 56 * 4);
  const TensorView scales = matrix(scale, DType::kFp32, 56, 300).transposed();
  quantize(context(), matrix(x, DType::kBf16, 300, 7168), matrix(q, DType::kE4M3, 300, 7168),
           scales, {.power_of_two_scales = true});
  const RecordingCudaLaunch launch = only_launch();
  EXPECT_STREQ(launch.function, "fp8_quantize_bf16_1x128");
  EXPECT_EQ(launch.grid[0], 5u * 56u);  // 64 rows by 128 columns a CTA
  EXPECT_EQ(launch.block[0], 256u);
  const Params p = params_of(launch);
  EXPECT_EQ(p.x, x.data());
  EXPECT_EQ(p.q, q.data());
  EXPECT_EQ(p.scale, scale.data());
  EXPECT_EQ(p.rows, 300);
  EXPECT_EQ(p.cols, 7168);
  EXPECT_EQ(p.x_row_stride, 7168);
  EXPECT_EQ(p.scale_row_stride, 1);
  EXPECT_EQ(p.scale_col_stride, 300);
  EXPECT_EQ(p.power_of_two, 1);
  EXPECT_EQ(p.x_vectors, 1);
  EXPECT_EQ(p.q_vectors, 1);
}

TEST_F(QuantizeCudaTest, TransposedCastReadsXAcross) {
  const cuda::Buffer x = buffer(300 * 520 * 4), q = buffer(512 * 304), scale = buffer(512 * 3 * 4);
  quantize(context(), matrix(x, DType::kFp32, 300, 512, 520),
           matrix(q, DType::kE4M3, 512, 300, 304), matrix(scale, DType::kFp32, 512, 3),
           {.block = ScaleBlock::k1x128Transposed});
  const RecordingCudaLaunch launch = only_launch();
  EXPECT_STREQ(launch.function, "fp8_quantize_fp32_1x128t");
  EXPECT_EQ(launch.grid[0], 8u * 3u);
  EXPECT_GT(launch.shared_bytes, 0u);
  const Params p = params_of(launch);
  EXPECT_EQ(p.rows, 512);
  EXPECT_EQ(p.cols, 300);
  EXPECT_EQ(p.x_row_stride, 1);
  EXPECT_EQ(p.x_col_stride, 520);
  EXPECT_EQ(p.q_pitch, 304);
}

TEST_F(QuantizeCudaTest, DequantizeAndCopyScalesHaveTheirKernels) {
  const cuda::Buffer x = buffer(256 * 256 * 2), q = buffer(256 * 256), scale = buffer(4 * 64);
  dequantize(context(), matrix(q, DType::kE4M3, 256, 256), matrix(scale, DType::kFp32, 2, 2),
             matrix(x, DType::kBf16, 256, 256), ScaleBlock::k128x128);
  EXPECT_STREQ(only_launch().function, "fp8_quantize_bf16_from_e4m3");
  EXPECT_EQ(params_of(only_launch()).rows_per_scale, 128);
  gpu_.clear_record();
  const cuda::Buffer from = buffer(100 * 56 * 4), to = buffer(100 * 56 * 4);
  copy_scales(context(), matrix(from, DType::kFp32, 100, 56),
              matrix(to, DType::kFp32, 56, 100).transposed());
  EXPECT_STREQ(only_launch().function, "fp8_quantize_scales");
  const Params p = params_of(only_launch());
  EXPECT_EQ(p.scale_from, from.data());
  EXPECT_EQ(p.from_row_stride, 56);
  EXPECT_EQ(p.scale, to.data());
  EXPECT_EQ(p.scale_col_stride, 100);
}

TEST_F(QuantizeCudaTest, CopyScalesOfAllGroupsInOneLaunch) {
  const cuda::Buffer from = buffer(3 * 100 * 56 * 4), to = buffer(3 * 100 * 56 * 4);
  const Device where{DeviceType::kCuda, 0};
  copy_scales(context(), TensorView::batch(from.data(), DType::kFp32, 3, 100, 56, 0, 0, where),
              TensorView::batch(to.data(), DType::kFp32, 3, 56, 100, 0, 6000, where).transposed());
  EXPECT_EQ(only_launch().grid[0], 3u * 4u * 2u);
  const Params p = params_of(only_launch());
  EXPECT_EQ(p.from_plane_stride, 5600);
  EXPECT_EQ(p.scale_plane_stride, 6000);
  EXPECT_EQ(p.rows, 100);
  EXPECT_EQ(p.scale_col_stride, 100);
}

TEST_F(QuantizeCudaTest, LaterCallsOnlyLaunch) {
  const cuda::Buffer x = buffer(64 * 128 * 2), q = buffer(64 * 128), scale = buffer(64 * 4);
  const Context shared = context();
  const auto cast = [&] {
    quantize(shared, matrix(x, DType::kFp16, 64, 128), matrix(q, DType::kE4M3, 64, 128),
             matrix(scale, DType::kFp32, 64, 1));
  };
  cast();
  gpu_.clear_record();
  for (int i = 0; i < 1000; ++i) cast();
  EXPECT_EQ(gpu_.launches().size(), 1000u);
  for (const char* call : {"cuMemAlloc", "cuLibraryLoadData", "cuModuleLoadData",
                           "cuCtxSynchronize", "cuStreamSynchronize"})
    EXPECT_TRUE(gpu_.calls(call).empty()) << call;
}

TEST_F(QuantizeCudaTest, NothingIsLaunchedForEmptyTensors) {
  const cuda::Buffer memory = buffer(256);
  quantize(context(), matrix(memory, DType::kBf16, 0, 128), matrix(memory, DType::kE4M3, 0, 128),
           matrix(memory, DType::kFp32, 0, 1));
  EXPECT_TRUE(gpu_.launches().empty());
}

TEST_F(QuantizeCudaTest, HostMemoryIsRefusedByName) {
  const cuda::Buffer x = buffer(64 * 128 * 2), scale = buffer(64 * 4);
  std::vector<unsigned char> host(64 * 128);
  TensorView q = TensorView::matrix(host.data(), DType::kE4M3, 64, 128, 0, {DeviceType::kCuda, 0});
  try {
    quantize(context(), matrix(x, DType::kBf16, 64, 128), q, matrix(scale, DType::kFp32, 64, 1));
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("quantize: q"));
  }
  EXPECT_TRUE(gpu_.launches().empty());
}

TEST(CopyScales, MovesEveryScaleOnTheCpu) {
  std::vector<float> from(7 * 5), to(8 * 5, -1.0f);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  TensorView copy = TensorView::matrix(to.data(), DType::kFp32, 5, 7, 8).transposed();
  copy_scales(Context(), TensorView::matrix(from.data(), DType::kFp32, 7, 5), copy);
  for (std::size_t row = 0; row < 7; ++row)
    for (std::size_t col = 0; col < 5; ++col) EXPECT_EQ(to[col * 8 + row], from[row * 5 + col]);
  for (std::size_t col = 0; col < 5; ++col) EXPECT_EQ(to[col * 8 + 7], -1.0f) << "padding";
  copy.shape[0] = 6;
  EXPECT_THROW(copy_scales(Context(), TensorView::matrix(from.data(), DType::kFp32, 7, 5), copy),
               Error);
}

TEST(CopyScales, MovesEveryGroupOnTheCpu) {
  std::vector<float> from(2 * 3 * 5), to(2 * 5 * 4, -1.0f);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  copy_scales(Context(), TensorView::batch(from.data(), DType::kFp32, 2, 3, 5),
              TensorView::batch(to.data(), DType::kFp32, 2, 5, 3, 4).transposed());
  for (std::size_t g = 0; g < 2; ++g)
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t col = 0; col < 5; ++col)
        EXPECT_EQ(to[g * 20 + col * 4 + row], from[g * 15 + row * 5 + col]);
}

}  // namespace
}  // namespace fathom
