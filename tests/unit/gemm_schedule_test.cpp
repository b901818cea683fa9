// Tile order and launch arithmetic of the GEMM kernel: every tile exactly once, whatever the shape
// and the number of CTAs.
#include "gemm/schedule.hpp"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "gemm/launch.hpp"

namespace fathom::device::gemm {
namespace {

const std::vector<Config> kConfigs = {
    {.block_m = 256, .cluster_n = 2},
    {.block_m = 128, .block_n = 112, .cluster_m = 2},
    {.block_m = 192, .block_n = 128, .math_warpgroups = 3},
    {.block_m = 256, .strip_n = 8},
    {.skeleton = Skeleton::kStream, .block_m = 64, .block_n = 24, .split_k = 3, .max_k_blocks = 8},
    {.skeleton = Skeleton::kResident, .block_m = 64, .math_warpgroups = 3},
};

/// Walks the grid as the kernel does and counts how often each tile of D is computed.
void expect_each_tile_once(const Config& c, int64_t m, int64_t n, TileOrder order, int max_ctas) {
  const Schedule s = make_dense_schedule(c, m, n, order);
  const LaunchShape launch = launch_shape(c, s, max_ctas, 0);
  const int64_t tiles_m = ceil_div<int64_t>(m, c.block_m);
  const int64_t tiles_n = ceil_div<int64_t>(tiled_cols(c, n), c.block_n);
  std::vector<int> visits(static_cast<std::size_t>(tiles_m * tiles_n));
  const int pair = c.cluster_m * c.cluster_n;
  const int clusters = launch.grid / launch.cluster;
  ASSERT_EQ(launch.grid % launch.cluster, 0);
  for (int cluster = 0; cluster < clusters; ++cluster) {
    const UnitRun run = unit_run(c, s.num_units(), cluster, clusters);
    for (int unit = run.first; unit < run.end; unit += run.stride) {
      ASSERT_EQ(cluster_of_unit(c, s.num_units(), unit, clusters), cluster);
      for (int rank = 0; rank < pair; ++rank) {
        const Tile t = dense_tile(c, s, unit, rank);
        ASSERT_EQ(t.row % c.block_m, 0);
        ASSERT_EQ(t.col % c.block_n, 0);
        ASSERT_EQ(t.row_end, m);
        if (t.row < m && t.col < tiled_cols(c, n))
          ++visits[static_cast<std::size_t>(t.row / c.block_m * tiles_n + t.col / c.block_n)];
      }
    }
  }
  for (const int v : visits)
    ASSERT_EQ(v, 1) << tag_of(c).text << " m " << m << " n " << n << " band " << order.band_tiles
                    << (order.along_n ? " along n" : "") << " CTAs " << max_ctas;
}

TEST(GemmSchedule, EveryTileExactlyOnce) {
  constexpr unsigned kSeed = 20251;
  std::mt19937 random(kSeed);
  auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int i = 0; i < 3000; ++i) {
    const Config& c = kConfigs[static_cast<std::size_t>(i) % kConfigs.size()];
    const int m = pick(0, 3) == 0 ? pick(1, 64) : pick(1, 6000);
    const int n = pick(0, 3) == 0 ? pick(1, 200) : pick(1, 6000);
    expect_each_tile_once(c, m, n, {pick(1, 20), !c.resident() && pick(0, 1) == 1}, pick(1, 132));
    if (HasFatalFailure()) FAIL() << "seed " << kSeed << " case " << i;
  }
}

TEST(GemmSchedule, DivisorsDivide) {
  std::mt19937 random(7);
  std::vector<std::int32_t> values;
  for (int i = 1; i <= 200; ++i) values.push_back(i);
  for (int bit = 7; bit < 31; ++bit)
    for (const int off : {-1, 0, 1}) values.push_back((1 << bit) + off);
  for (int i = 0; i < 200; ++i)
    values.push_back(static_cast<std::int32_t>(random() >> 1 >> i % 24) | 1);
  values.push_back(INT32_MAX);
  for (const std::int32_t d : values) {
    const Divisor divisor = make_divisor(d);
    const auto expect = [&](std::int64_t n) {
      if (n < 0 || n > INT32_MAX) return;
      const auto number = static_cast<std::int32_t>(n);
      ASSERT_EQ(divisor.quotient(number), number / d) << n << " / " << d;
    };
    for (const std::int32_t times : values)
      for (const int off : {-1, 0, 1}) expect(std::int64_t{times} * d + off);
    for (const int off : {0, 1, 2}) expect(std::int64_t{INT32_MAX} - off);
    expect(std::int64_t{INT32_MAX} / d * d);
    expect(std::int64_t{INT32_MAX} / d * d - 1);
  }
}

TEST(GemmSchedule, ResidentRunsGoDownColumns) {
  const Config c{.skeleton = Skeleton::kResident, .block_m = 64, .math_warpgroups = 3};
  const Schedule s = make_dense_schedule(c, 4096, 32768, {});
  ASSERT_EQ(s.num_units(), 64 * 256);
  int columns = 0;
  for (int cta = 0; cta < 132; ++cta) {
    const UnitRun run = unit_run(c, s.num_units(), cta, 132);
    EXPECT_GE(run.end - run.first, 124);
    EXPECT_LE(run.end - run.first, 125);
    for (int unit = run.first; unit < run.end; ++unit) {
      const Tile tile = dense_tile(c, s, unit, 0);
      EXPECT_EQ(tile.row, unit % 64 * 64);
      EXPECT_EQ(tile.col, unit / 64 * 128);
    }
    columns += (run.end - 1) / 64 - run.first / 64 + 1;
  }
  EXPECT_LT(columns, 3 * 132) << "columns of B are loaded nearly once";
}

TEST(GemmSchedule, StripsDealTheLastColumnsOut) {
  const Config c{.block_m = 256, .strip_n = 8};
  int columns = 0;
  for (int n = 129; n < 4000; ++n) {
    const Sizes sizes{.m = 300, .n = n, .k = 128, .a_pitch = 128, .b_pitch = 128, .d_pitch = n};
    const int tiles = n / 128;
    const bool fit = n % 128 > 0 && n % 128 <= 8 * tiles;
    ASSERT_EQ(why_unfit(c, sizes) == nullptr, fit) << n;
    if (!fit) continue;
    std::vector<int> visits(static_cast<std::size_t>(n));
    for (int tile = 0; tile < tiles; ++tile) {
      const int strip = strip_col(c, n, tile * 128);
      for (int col = tile * 128; col < tile * 128 + 128; ++col)
        ++visits[static_cast<std::size_t>(col)];
      for (int col = strip; col < std::min(strip + 8, n); ++col)
        ++visits[static_cast<std::size_t>(col)];
    }
    for (const int v : visits) ASSERT_EQ(v, 1) << n;
    ++columns;
  }
  EXPECT_GT(columns, 2000);
}

/// The tiles in the order of units, in tiles of 128 x 128 from the corner.
void expect_walk(const Schedule& s, const std::vector<std::pair<int, int>>& tiles) {
  const Config c{.block_m = 128, .block_n = 128};
  ASSERT_EQ(s.num_units(), static_cast<int>(tiles.size()));
  for (int unit = 0; unit < s.num_units(); ++unit) {
    const Tile t = dense_tile(c, s, unit, 0);
    EXPECT_EQ(std::pair(t.row / 128, t.col / 128), tiles[static_cast<std::size_t>(unit)]) << unit;
  }
}

TEST(GemmSchedule, BandsWalkAcrossBeforeAlong) {
  const Config c{.block_m = 128, .block_n = 128};
  expect_walk(make_dense_schedule(c, 3 * 128, 2 * 128, {2, false}),
              {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 0}, {2, 1}});
  expect_walk(make_dense_schedule(c, 2 * 128, 3 * 128, {2, true}),
              {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {1, 2}});
  const Config pairs{.block_m = 128, .block_n = 128, .cluster_n = 2};
  EXPECT_EQ(make_dense_schedule(pairs, 4096, 4096, {8, true}).band, 4);
}

TEST(GemmSchedule, PartsOfKCoverItEvenly) {
  for (int blocks = 1; blocks < 300; ++blocks) {
    for (int parts = 1; parts <= 8; ++parts) {
      int next = 0;
      for (int part = 0; part < parts; ++part) {
        const KRange r = k_range(blocks, part, parts);
        ASSERT_EQ(r.begin, next);
        ASSERT_LE(r.end - r.begin, ceil_div(blocks, parts));
        next = r.end;
      }
      ASSERT_EQ(next, blocks);
    }
  }
}

TEST(GemmSchedule, TensorMapsStayInsideTheRulesOfTma) {
  for (const Config& c : kConfigs) {
    for (const int64_t m : {1, 7, 64, 65, 4097}) {
      const Sizes sizes{.m = m,
                        .n = 2112,
                        .k = 7168,
                        .a_pitch = 7168,
                        .b_pitch = 7168,
                        .d_pitch = 2112,
                        .scale_a_k_stride = 4100};
      ASSERT_EQ(launch_shape(c, make_dense_schedule(c, m, 2112, {}), 132, 0).block,
                c.num_threads());
      const TensorMapSpecs maps = describe_tensor_maps(c, sizes);
      for (const TensorMapSpec& map : {maps.a, maps.b, maps.b_strip, maps.scale_a, maps.scale_b,
                                       maps.d, maps.a_tail, maps.b_tail}) {
        if (!map.used) continue;
        const int bytes = map.element == MapElement::kU8     ? 1
                          : map.element == MapElement::kBf16 ? 2
                                                             : 4;
        EXPECT_GE(map.box[0], 1);
        EXPECT_LE(map.box[0], 256);
        EXPECT_GE(map.box[1], 1);
        EXPECT_LE(map.box[1], 256);
        EXPECT_EQ(map.box[0] * bytes % 16, 0);
        EXPECT_EQ(map.pitch_bytes % 16, 0);
        if (map.swizzle != MapSwizzle::kNone) {
          EXPECT_LE(map.box[0] * bytes, 128);
        }
      }
      EXPECT_EQ(maps.d.used, c.tma_store());
      EXPECT_TRUE(maps.scale_a.used);
    }
  }
}

TEST(GemmSchedule, WeightsOfFewRowsOfTilesAreLoadedEvictFirst) {
  const auto evicts = [](const Config& c, int64_t m, int64_t n) {
    return evicts_weights_first(c, {.m = m, .n = n, .k = 1000});
  };
  const Config c{.block_m = 128};
  EXPECT_TRUE(evicts(c, 128, 300'000));
  EXPECT_FALSE(evicts(c, 128, 300'001));
  EXPECT_TRUE(evicts(c, 129, 90'000));
  EXPECT_FALSE(evicts(c, 129, 90'001));
  EXPECT_TRUE(evicts(c, 512, 90'000));
  EXPECT_FALSE(evicts(c, 513, 1000));
  EXPECT_TRUE(evicts({.block_m = 128, .cluster_m = 2}, 1024, 1000));
  EXPECT_FALSE(evicts({.skeleton = Skeleton::kResident, .block_m = 64}, 64, 1000));
}

// TMA is slow on rows outside a tensor: no box has more of those than rounding up needs.
TEST(GemmSchedule, LastTilesHaveBoxesOfTheirOwn) {
  for (const Config& c : kConfigs) {
    for (const int64_t m : {1, 8, 63, 64, 65, 100, 127, 128, 192, 200, 256, 300, 4096}) {
      const Sizes sizes{.m = m, .n = 2112, .k = 7168, .a_pitch = 7168, .b_pitch = 7168};
      const TensorMapSpecs maps = describe_tensor_maps(c, sizes);
      const int64_t last = m - (ceil_div<int64_t>(m, c.block_m) - 1) * c.block_m;
      const TensorMapSpec& box = maps.a_tail.used ? maps.a_tail : maps.a;
      const int64_t fetched = int64_t{box.box[1]} * c.cluster_n;
      EXPECT_GE(fetched, last);
      EXPECT_LT(fetched, last + (c.cluster_n > 1 ? 16 : 1));
      EXPECT_LE(fetched, c.block_m);
      EXPECT_EQ(maps.a.box[1] * c.cluster_n, m < c.block_m ? fetched : c.block_m);
      EXPECT_EQ(make_params(c, sizes, {}, false).a_tail_rows,
                maps.a_tail.used ? maps.a_tail.box[1] : 0);
    }
    const int64_t last = 2112 % c.block_n == 0 ? c.block_n : 2112 % c.block_n;
    EXPECT_EQ(b_tail_rows(c, 2112) > 0,
              c.strip_n == 0 && last <= c.block_n - (c.cluster_m > 1 ? 16 : 1));
    EXPECT_EQ(b_box_rows(c, 2112) * c.cluster_m, c.block_n);
  }
}

TEST(GemmSchedule, UnfitSizesSayWhy) {
  const Config c{.skeleton = Skeleton::kStream, .block_m = 64, .max_k_blocks = 4};
  EXPECT_EQ(why_unfit(c, {.m = 1, .n = 8, .k = 512}), nullptr);
  EXPECT_NE(why_unfit(c, {.m = 1, .n = 8, .k = 513}), nullptr);
  EXPECT_NE(why_unfit(c, {.m = 0, .n = 8, .k = 8}), nullptr);
  EXPECT_NE(why_unfit(c, {.m = 2147483647, .n = 8, .k = 8}), nullptr);
}

}  // namespace
}  // namespace fathom::device::gemm
