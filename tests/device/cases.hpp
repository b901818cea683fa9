// The shapes of the device tests. Test support.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace fathom::testing {

struct Shape {
  std::int64_t m = 0, n = 0, k = 0;
};

/// Tile edges and one more and one less, widths from the narrowest on, and k with every kind of
/// tail: 11 x 5 x 7 = 385 shapes.
inline std::vector<Shape> edge_shapes() {
  std::vector<Shape> shapes;
  for (const std::int64_t m : {1, 7, 8, 9, 63, 64, 65, 127, 129, 1000, 4097}) {
    for (const std::int64_t n : {8, 24, 576, 2112, 7168}) {
      for (const std::int64_t k : {16, 100, 128, 576, 1152, 2112, 7168})
        shapes.push_back({m, n, k});
    }
  }
  return shapes;
}

/// The dense shapes of DeepSeek-V3 inference that speed is measured at, with the m of decode and of
/// prefill: 42 shapes.
inline std::vector<Shape> model_shapes() {
  constexpr std::array<std::pair<std::int64_t, std::int64_t>, 6> kWeights{
      {{2112, 7168}, {24576, 1536}, {32768, 512}, {7168, 16384}, {4096, 7168}, {7168, 2048}}};
  std::vector<Shape> shapes;
  for (const std::int64_t m : {1, 8, 16, 32, 64, 128, 4096}) {
    for (const auto& [n, k] : kWeights) shapes.push_back({m, n, k});
  }
  return shapes;
}

/// What each config is forced on: less than a tile, tile edges, several tiles on every SM, tails of
/// n and k, long and short k.
inline std::vector<Shape> config_shapes() {
  return {{1, 8, 16},         {7, 24, 100},     {64, 576, 128},    {65, 584, 1152},
          {129, 2112, 7168},  {257, 1000, 448}, {1000, 7168, 512}, {2049, 2112, 2112},
          {4097, 576, 16384}, {300, 264, 300},  {513, 536, 1100}};
}

}  // namespace fathom::testing
