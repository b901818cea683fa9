// The closed set of cast kernels, their source and their launches. No GPU.
#include "plan/quantize_configs.hpp"

#include <gtest/gtest.h>

#include <set>

#include "quantize/params.hpp"

namespace fathom::plan {
namespace {

namespace kernel = device::quantize;

TEST(QuantizeConfigs, AreEveryOperationWithEveryTypeItTakes) {
  EXPECT_EQ(quantize_configs().size(), 12u);
  std::set<std::string> tags;
  for (const QuantizeConfig& config : quantize_configs()) {
    EXPECT_EQ(kernel::why_illegal(config), nullptr);
    EXPECT_TRUE(tags.insert(quantize_tag(config)).second) << quantize_tag(config);
    EXPECT_EQ(find_quantize_config(quantize_tag(config)), config);
    EXPECT_LE(config.smem_bytes(), 48 * 1024) << "more needs an opt-in";
  }
  EXPECT_EQ(find_quantize_config("bf16_2x2"), std::nullopt);
}

TEST(QuantizeConfigs, ServeTheTypesOfThePublicCalls) {
  for (const DType x : {DType::kBf16, DType::kFp16, DType::kFp32})
    for (const ScaleBlock block :
         {ScaleBlock::k1x128, ScaleBlock::k128x128, ScaleBlock::k1x128Transposed})
      EXPECT_TRUE(plan_quantize(x, block).has_value());
  EXPECT_TRUE(plan_dequantize(DType::kBf16).has_value());
  EXPECT_TRUE(plan_dequantize(DType::kFp32).has_value());
  EXPECT_FALSE(plan_dequantize(DType::kFp16).has_value());
  EXPECT_FALSE(plan_quantize(DType::kInt32, ScaleBlock::k1x128).has_value());
}

TEST(QuantizeConfigs, SourceIsThisText) {
  EXPECT_EQ(quantize_source(*plan_quantize(DType::kFp16, ScaleBlock::k1x128Transposed)),
            R"(#include "quantize/kernel.cuh"
inline constexpr fathom::device::quantize::Config kConfig{
    .operation = fathom::device::quantize::Operation::kCast1x128Transposed,
    .element = fathom::device::quantize::Element::kFp16};
extern "C" __global__ void __launch_bounds__(kConfig.num_threads())
fp8_quantize_fp16_1x128t(const __grid_constant__ fathom::device::quantize::Params params) {
  extern __shared__ __align__(16) unsigned char smem[];
  fathom::device::quantize::Kernel<kConfig>::run(params, smem);
}
)");
}

TEST(QuantizeLaunch, TilesCoverEveryElement) {
  for (const QuantizeConfig& config : quantize_configs()) {
    for (const std::int64_t rows : {1, 31, 64, 65, 128, 129, 4096}) {
      for (const std::int64_t cols : {1, 127, 128, 129, 7168}) {
        const kernel::Launch launch = kernel::launch_of(config, rows, cols);
        const std::int64_t down = (rows + config.tile_rows() - 1) / config.tile_rows();
        EXPECT_GE(launch.grid / down * config.tile_cols(), cols) << quantize_tag(config);
        EXPECT_EQ(launch.grid % down, 0) << quantize_tag(config);
        EXPECT_EQ(launch.block, 256);
      }
    }
  }
  // 2^31 elements and more stay far from the largest grid.
  EXPECT_EQ(kernel::launch_of({}, 1LL << 31, 1LL << 15).grid, 1LL << 33);
}

TEST(QuantizeLaunch, VectorsNeedAlignedBasesAndPitches) {
  const QuantizeConfig config{kernel::Operation::kCast1x128, kernel::Element::kBf16};
  const auto choose = [&config](std::uint64_t x, std::int64_t x_pitch, std::uint64_t q,
                                std::int64_t q_pitch) {
    kernel::Params p;
    p.x = reinterpret_cast<void*>(x);
    p.x_row_stride = x_pitch;
    p.q = reinterpret_cast<void*>(q);
    p.q_pitch = q_pitch;
    kernel::choose_vectors(config, p);
    return std::pair(p.x_vectors, p.q_vectors);
  };
  EXPECT_EQ(choose(4096, 264, 4096, 264), std::pair(1, 1));
  EXPECT_EQ(choose(4098, 264, 4097, 264), std::pair(0, 0));
  EXPECT_EQ(choose(4096, 260, 4096, 260), std::pair(0, 0));
  EXPECT_EQ(choose(4096, 8, 4096, 4), std::pair(1, 0));
}

}  // namespace
}  // namespace fathom::plan
