// The pure parts of the GPU benchmark: published numbers, score, median, chart.
#include <gtest/gtest.h>

#include "bench/gpu_bench.hpp"
#include "bench/published.hpp"

namespace fathom::bench {
namespace {

TEST(BenchPublished, CoversEveryLayerAtEveryM) {
  for (const std::int64_t m : {1, 8, 16, 32, 64, 128, 4096}) {
    for (const DenseShape& layer : layer_shapes()) {
      EXPECT_TRUE(score({m, layer.n, layer.k}, 10.0, 10.0).has_value())
          << m << " x " << layer.n << " x " << layer.k;
    }
  }
  EXPECT_EQ(published_h200().size(), 42u);
  EXPECT_FALSE(score({65, 2112, 7168}, 10.0, 10.0).has_value());
}

TEST(BenchPublished, ScoreIsOneForDeepGemmItselfOnTheSameMachine) {
  for (const Published& row : published_h200()) {
    EXPECT_NEAR(score(row.shape, row.deep_gemm_us, row.cublaslt_tensor_us).value(), 1.0, 1e-12);
    // Twice as fast on a machine that is 10 % slower in all things.
    EXPECT_NEAR(score(row.shape, row.deep_gemm_us * 1.1 / 2, row.cublaslt_tensor_us * 1.1).value(),
                2.0, 1e-12);
  }
}

TEST(BenchPublished, FloorAndH800FiguresAreWhereTheyWerePublished) {
  EXPECT_EQ(stream_floor_us({64, 7168, 16384}), 31.55);
  EXPECT_FALSE(stream_floor_us({128, 7168, 16384}).has_value());
  EXPECT_EQ(published_h800_tflops({4096, 7168, 16384}), 1358);
  EXPECT_FALSE(published_h800_tflops({1, 7168, 16384}).has_value());
}

TEST(BenchMedian, IsTheUpperMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 3);
  EXPECT_EQ(median({}), 0);
}

}  // namespace
}  // namespace fathom::bench
