// See published.hpp for sources and conditions.
#include "published.hpp"

#include <algorithm>
#include <array>

namespace fathom::bench {
namespace {

constexpr std::array<DenseShape, 6> kLayers{{{0, 2112, 7168},
                                             {0, 24576, 1536},
                                             {0, 32768, 512},
                                             {0, 7168, 16384},
                                             {0, 4096, 7168},
                                             {0, 7168, 2048}}};

constexpr std::array kPublished{
    Published{{1, 2112, 7168}, 12.48, 9.79},     Published{{8, 2112, 7168}, 10.98, 9.86},
    Published{{16, 2112, 7168}, 10.94, 10.02},   Published{{32, 2112, 7168}, 11.04, 10.50},
    Published{{64, 2112, 7168}, 10.08, 9.22},    Published{{128, 2112, 7168}, 10.88, 10.05},
    Published{{4096, 2112, 7168}, 92.86, 91.65}, Published{{1, 24576, 1536}, 17.31, 15.39},
    Published{{8, 24576, 1536}, 17.15, 15.36},   Published{{16, 24576, 1536}, 17.15, 15.45},
    Published{{32, 24576, 1536}, 17.25, 15.78},  Published{{64, 24576, 1536}, 16.19, 16.06},
    Published{{128, 24576, 1536}, 17.22, 16.80}, Published{{4096, 24576, 1536}, 228.9, 233.7},
    Published{{1, 32768, 512}, 8.67, 8.48},      Published{{8, 32768, 512}, 8.67, 8.51},
    Published{{16, 32768, 512}, 8.74, 8.58},     Published{{32, 32768, 512}, 8.80, 8.83},
    Published{{64, 32768, 512}, 8.96, 9.25},     Published{{128, 32768, 512}, 10.37, 10.78},
    Published{{4096, 32768, 512}, 126.7, 147.5}, Published{{1, 7168, 16384}, 41.60, 40.42},
    Published{{8, 7168, 16384}, 40.93, 40.70},   Published{{16, 7168, 16384}, 40.80, 40.64},
    Published{{32, 7168, 16384}, 41.47, 38.59},  Published{{64, 7168, 16384}, 40.58, 40.45},
    Published{{128, 7168, 16384}, 43.68, 40.64}, Published{{4096, 7168, 16384}, 639.75, 666.0},
    Published{{1, 4096, 7168}, 16.16, 14.72},    Published{{8, 4096, 7168}, 13.22, 14.78},
    Published{{16, 4096, 7168}, 13.28, 15.01},   Published{{32, 4096, 7168}, 13.38, 12.90},
    Published{{64, 4096, 7168}, 13.41, 13.15},   Published{{128, 4096, 7168}, 13.73, 14.11},
    Published{{4096, 4096, 7168}, 164.6, 164.6}, Published{{1, 7168, 2048}, 8.03, 7.65},
    Published{{8, 7168, 2048}, 8.06, 7.65},      Published{{16, 7168, 2048}, 8.10, 7.68},
    Published{{32, 7168, 2048}, 8.16, 7.84},     Published{{64, 7168, 2048}, 7.81, 8.29},
    Published{{128, 7168, 2048}, 9.09, 8.48},    Published{{4096, 7168, 2048}, 90.24, 91.7},
};

struct Figure {
  DenseShape shape;
  double value;
};
constexpr std::array kFloors{Figure{{64, 2112, 7168}, 6.37}, Figure{{64, 24576, 1536}, 11.90},
                             Figure{{64, 32768, 512}, 6.72}, Figure{{64, 7168, 16384}, 31.55},
                             Figure{{64, 4096, 7168}, 9.86}, Figure{{64, 7168, 2048}, 6.21}};
constexpr std::array kH800{Figure{{64, 2112, 7168}, 206},    Figure{{128, 2112, 7168}, 352},
                           Figure{{4096, 2112, 7168}, 1058}, Figure{{64, 24576, 1536}, 289},
                           Figure{{128, 24576, 1536}, 535},  Figure{{4096, 24576, 1536}, 990},
                           Figure{{64, 32768, 512}, 219},    Figure{{128, 32768, 512}, 358},
                           Figure{{4096, 32768, 512}, 590},  Figure{{64, 7168, 16384}, 336},
                           Figure{{128, 7168, 16384}, 645},  Figure{{4096, 7168, 16384}, 1358},
                           Figure{{64, 4096, 7168}, 287},    Figure{{128, 4096, 7168}, 533},
                           Figure{{4096, 4096, 7168}, 1304}, Figure{{64, 7168, 2048}, 295},
                           Figure{{128, 7168, 2048}, 510},   Figure{{4096, 7168, 2048}, 1025}};

template <typename Table>
std::optional<double> look_up(const Table& table, const DenseShape& shape) {
  const auto at = std::ranges::find(table, shape, &Figure::shape);
  if (at == table.end()) return std::nullopt;
  return at->value;
}

}  // namespace

std::span<const DenseShape> layer_shapes() {
  return kLayers;
}
std::span<const Published> published_h200() {
  return kPublished;
}
std::optional<double> stream_floor_us(const DenseShape& shape) {
  return look_up(kFloors, shape);
}
std::optional<double> published_h800_tflops(const DenseShape& shape) {
  return look_up(kH800, shape);
}

std::optional<double> score(const DenseShape& shape, double ours_us, double cublaslt_tensor_us) {
  const auto at = std::ranges::find(kPublished, shape, &Published::shape);
  if (at == kPublished.end()) return std::nullopt;
  return (cublaslt_tensor_us / ours_us) / (at->cublaslt_tensor_us / at->deep_gemm_us);
}

}  // namespace fathom::bench
