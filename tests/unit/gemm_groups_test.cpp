// Group metadata -> items -> tiles: every row of a group in one tile, no row of nobody, no tile or
// pair across two groups; for random routings, and for metadata that breaks its rules.
#include "gemm/groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gemm/launch.hpp"

namespace fathom::device::gemm {
namespace {

constexpr unsigned kSeed = 73105;

const std::vector<Config> kConfigs = {
    {.block_m = 256, .num_stages = 3, .cluster_n = 2, .grouped = true},
    {.block_m = 192, .block_n = 128, .math_warpgroups = 3, .cluster_m = 2, .grouped = true},
    {.block_m = 128, .block_n = 112, .grouped = true},
    {.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true},
    {.block_m = 8, .block_n = 192, .math_warpgroups = 3, .grouped = true, .swap_operands = true},
    {.block_m = 32, .block_n = 256, .cluster_n = 2, .grouped = true, .swap_operands = true},
};

/// Metadata of one form, and which group each row belongs to, in this test's own words.
struct Routing {
  GroupIndex index;
  std::vector<int32_t> narrow;
  std::vector<int64_t> wide;
  std::vector<int32_t> owner;  // of every row; masked: of every row of every group; -1 = nobody
  std::string text;

  int64_t planes() const { return index.form == GroupForm::kMasked ? index.num_groups : 1; }
};

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool one_in(int n) { return pick(1, n) == 1; }

  /// Rows of each group: even, skewed, mostly none, one takes all, ones.
  std::vector<int> sizes(int groups, int most) {
    std::vector<int> sizes(static_cast<std::size_t>(groups));
    const int kind = pick(0, 4);
    const int lucky = pick(0, groups - 1);
    for (int g = 0; g < groups; ++g) {
      int rows = pick(0, most);
      if (kind == 1) rows = rows * rows / (most + 1);
      if (kind == 2 && !one_in(8)) rows = 0;
      if (kind == 3) rows = g == lucky ? most : 0;
      if (kind == 4) rows = std::min(1, most);
      sizes[static_cast<std::size_t>(g)] = rows;
    }
    return sizes;
  }

 private:
  std::mt19937 random_;
};

void own(std::vector<int32_t>& owner, int begin, int rows, int group) {
  if (static_cast<int>(owner.size()) < begin + rows)
    owner.resize(static_cast<std::size_t>(begin + rows), -1);
  std::fill_n(owner.begin() + begin, rows, group);
}

void make_offsets(Dice& dice, Routing& r) {
  const int groups = r.index.num_groups;
  int row = dice.one_in(3) ? dice.pick(1, 70) : 0;
  r.owner.assign(static_cast<std::size_t>(row), -1);
  r.wide = {row};
  int group = 0;
  for (const int rows : dice.sizes(groups, dice.pick(1, 700))) {
    own(r.owner, row, rows, group++);
    r.wide.push_back(row += rows);
  }
  if (dice.one_in(3)) own(r.owner, row, dice.pick(1, 300), -1);
  r.index.is_int64 = dice.pick(0, 1);
  r.narrow.assign(r.wide.begin(), r.wide.end());
}

void make_group_end(Dice& dice, Routing& r) {
  int row = 0;
  int group = 0;
  for (const int rows : dice.sizes(r.index.num_groups, dice.pick(1, 700))) {
    const int begin = round_up(row, r.index.alignment);
    if (rows > 0) {
      own(r.owner, begin, rows, group);
      row = begin + rows;
    }
    r.narrow.push_back(row);
    ++group;
  }
  if (dice.one_in(2)) own(r.owner, row, round_up(row, r.index.alignment) - row, -1);
}

void make_row_group(Dice& dice, Routing& r) {
  const int blocks = dice.one_in(10) ? 0 : dice.pick(1, 90);
  int group = dice.pick(0, r.index.num_groups - 1);
  for (int block = 0; block < blocks; ++block) {
    if (dice.one_in(3)) group = dice.pick(0, r.index.num_groups - 1);
    const int kind = dice.pick(0, 5);
    const int rows = kind == 0   ? 0
                     : kind == 1 ? dice.pick(1, r.index.alignment)
                                 : r.index.alignment;
    const int begin = block * r.index.alignment;
    own(r.owner, begin, r.index.alignment, -1);
    own(r.owner, begin, rows, group);
  }
  // The last block may be cut off by the end of A.
  if (blocks > 0 && dice.one_in(3))
    r.owner.resize(r.owner.size() - static_cast<std::size_t>(dice.pick(0, r.index.alignment - 1)));
  r.narrow = r.owner;
}

void make_masked(Dice& dice, Routing& r) {
  const int max_m = dice.one_in(2) ? 8 << dice.pick(0, 6) : dice.pick(1, 600);
  r.index.rows = max_m;
  int group = 0;
  for (const int rows : dice.sizes(r.index.num_groups, max_m)) {
    own(r.owner, group * max_m, max_m, -1);
    own(r.owner, group * max_m, rows, group);
    r.narrow.push_back(rows);
    ++group;
  }
}

Routing random_routing(Dice& dice) {
  Routing r;
  r.index.form = static_cast<GroupForm>(dice.pick(1, 4));
  r.index.num_groups = dice.one_in(5) ? dice.pick(1, 260) : dice.pick(1, 40);
  r.index.alignment = 16 << dice.pick(0, 4);
  if (r.index.form == GroupForm::kOffsets) make_offsets(dice, r);
  if (r.index.form == GroupForm::kRowGroup) make_row_group(dice, r);
  if (r.index.form == GroupForm::kGroupEnd) make_group_end(dice, r);
  if (r.index.form == GroupForm::kMasked) make_masked(dice, r);
  if (r.index.form != GroupForm::kMasked) r.index.rows = static_cast<int32_t>(r.owner.size());
  r.index.data = r.index.is_int64 != 0 ? static_cast<const void*>(r.wide.data()) : r.narrow.data();
  r.text = "form " + std::to_string(static_cast<int>(r.index.form)) + ", G " +
           std::to_string(r.index.num_groups) + ", rows " + std::to_string(r.index.rows) +
           ", alignment " + std::to_string(r.index.alignment);
  return r;
}

/// Every owned row in exactly one item of its group; nothing else in any.
void expect_items_match(const Routing& r) {
  std::vector<int32_t> seen(r.owner.size(), -1);
  int items = 0;
  for_each_item(r.index, [&](const Item& item) {
    ++items;
    ASSERT_LT(item.row, item.row_end) << r.text;
    const int plane = r.index.form == GroupForm::kMasked ? item.group * r.index.rows : 0;
    for (int row = item.row; row < item.row_end; ++row) {
      ASSERT_LT(row, r.index.rows) << r.text;
      ASSERT_EQ(seen[static_cast<std::size_t>(plane + row)], -1) << r.text << " row " << row;
      seen[static_cast<std::size_t>(plane + row)] = item.group;
    }
  });
  ASSERT_EQ(seen, r.owner) << r.text;
  if (r.index.form != GroupForm::kRowGroup) {
    ASSERT_LE(items, r.index.num_groups) << r.text;
  }
}

TEST(GemmGroups, ItemsAreTheRowsOfTheGroups) {
  Dice dice(kSeed);
  for (int i = 0; i < 5000; ++i) {
    const Routing r = random_routing(dice);
    expect_items_match(r);
    if (HasFatalFailure()) FAIL() << "seed " << kSeed << " case " << i;
  }
}

/// Every owned element of D in exactly one tile, of a row's own group; pairs inside one item.
void expect_tiles_match(const Config& c, const Routing& r, int64_t n, int band) {
  const Schedule s = make_grouped_schedule(c, r.index, n, band);
  const int64_t cols = ceil_div<int64_t>(n, c.block_n);
  std::vector<int> visits(r.owner.size() * static_cast<std::size_t>(cols));
  std::map<int, int> group_of_unit;
  int units = 0;
  for_each_grouped_tile(c, s, n, r.index, [&](int unit, int rank, const Tile& t) {
    units = unit + 1;
    ASSERT_GE(rank, 0);
    ASSERT_LT(rank, c.cluster_size());
    ASSERT_EQ(t.col % c.block_n, 0);
    const auto [pair, first] = group_of_unit.emplace(unit, t.group);
    ASSERT_TRUE(first || pair->second == t.group) << "a pair across two groups, " << r.text;
    const int plane = r.index.form == GroupForm::kMasked ? t.group * r.index.rows : 0;
    ASSERT_GE(tile_rows(c, t), 1);
    ASSERT_LE(t.row + tile_rows(c, t), t.row / 4 * 4 + c.block_m) << "more rows than are loaded";
    for (int row = t.row; row < t.row + tile_rows(c, t); ++row) {
      const auto at = static_cast<std::size_t>(plane + row);
      ASSERT_EQ(r.owner[at], t.group) << r.text << " row " << row;
      ++visits[at * static_cast<std::size_t>(cols) + static_cast<std::size_t>(t.col / c.block_n)];
    }
  });
  ASSERT_LE(units, s.num_units()) << "the grid's bound, " << r.text;
  for (std::size_t row = 0; row < r.owner.size(); ++row)
    for (int64_t col = 0; col < cols; ++col)
      ASSERT_EQ(visits[row * static_cast<std::size_t>(cols) + static_cast<std::size_t>(col)],
                r.owner[row] >= 0 ? 1 : 0)
          << tag_of(c).text << ", " << r.text << ", row " << row;
}

TEST(GemmGroups, EveryOwnedRowInOneTileOfItsGroup) {
  Dice dice(kSeed + 1);
  for (int i = 0; i < 3000; ++i) {
    const Routing r = random_routing(dice);
    expect_tiles_match(kConfigs[static_cast<std::size_t>(i) % kConfigs.size()], r,
                       dice.pick(1, 600), dice.pick(1, 12));
    if (HasFatalFailure()) FAIL() << "seed " << kSeed + 1 << " case " << i;
  }
}

// Weights are loaded as wanted again by all tiles of a group and column but the last.
TEST(GemmGroups, OneTileOfEachColumnEndsItsItem) {
  const Config c{.block_m = 32, .block_n = 128, .grouped = true, .swap_operands = true};
  const std::vector<int32_t> offsets = {3, 3, 5, 36, 37, 400};
  const GroupIndex index{offsets.data(), GroupForm::kOffsets, 0, 5, 400, 1};
  std::map<std::pair<int, int>, int> tiles, ends;
  for_each_grouped_tile(c, make_grouped_schedule(c, index, 300, 4), 300, index,
                        [&](int, int, const Tile& t) {
                          ++tiles[{t.group, t.col}];
                          ends[{t.group, t.col}] += ends_item(c, t) ? 1 : 0;
                        });
  EXPECT_EQ(tiles.size(), 4u * 3);
  EXPECT_EQ((tiles[{4, 0}]), 12);  // rows 36 to 399
  for (const auto& [at, count] : ends) EXPECT_EQ(count, 1) << "group " << at.first;
}

// Three equal groups of a whole and half a tile: no CTA has the halves of all.
TEST(GemmGroups, PartialTilesAreDealtInTurn) {
  const Config c{.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true};
  const std::vector<int32_t> offsets = {0, 96, 192, 288};
  const GroupIndex index{offsets.data(), GroupForm::kOffsets, 0, 3, 288, 1};
  std::map<int, int> halves;
  for_each_grouped_tile(c, make_grouped_schedule(c, index, 4 * 128, 8), 4 * 128, index,
                        [&](int unit, int, const Tile& t) {
                          if (tile_rows(c, t) < 64) ++halves[unit % 8];
                        });
  EXPECT_EQ(halves.size(), 8u);  // 8 units a group: without the turn only 4 of 8 CTAs
}

TEST(GemmGroups, BrokenMetadataStaysInsideTheTensor) {
  Dice dice(kSeed + 2);
  for (int i = 0; i < 3000; ++i) {
    Routing r = random_routing(dice);
    const auto break_some = [&](auto& values) {
      for (auto& v : values)
        if (dice.one_in(4)) v = dice.pick(-1000, 1000) * (dice.one_in(3) ? 2000000 : 1);
    };
    break_some(r.narrow);
    break_some(r.wide);
    std::vector<int> visits(static_cast<std::size_t>(r.planes() * r.index.rows));
    for_each_item(r.index, [&](const Item& item) {
      ASSERT_GE(item.group, 0);
      ASSERT_LT(item.group, r.index.num_groups);
      ASSERT_GE(item.row, 0);
      ASSERT_LE(item.row_end, r.index.rows);
      const int plane = r.index.form == GroupForm::kMasked ? item.group * r.index.rows : 0;
      for (int row = item.row; row < item.row_end; ++row)
        ASSERT_EQ(visits[static_cast<std::size_t>(plane + row)]++, 0) << r.text;
    });
    if (HasFatalFailure()) FAIL() << "seed " << kSeed + 2 << " case " << i;
  }
}

TEST(GemmGroups, NeighbouringBlocksOfAGroupShareTallTiles) {
  const std::vector<int32_t> rows(512, 3);
  const GroupIndex index{rows.data(), GroupForm::kRowGroup, 0, 4, 512, 128};
  int items = 0;
  for_each_item(index, [&](const Item& item) {
    ++items;
    EXPECT_EQ(item.row_end - item.row, 512);
  });
  EXPECT_EQ(items, 1);
}

Sizes masked_sizes() {
  Sizes s{.m = 40, .n = 500, .k = 384, .a_pitch = 400, .b_pitch = 384, .d_pitch = 512};
  s.scale_a_k_stride = 40;
  s.scale_b_stride = 3;
  s.groups = {.form = GroupForm::kMasked,
              .num_groups = 6,
              .a_stride = 50 * 400,
              .b_stride = 500 * 384,
              .d_stride = 40 * 512,
              .scale_a_stride = 40 * 3,
              .scale_b_stride = 4 * 3};
  return s;
}

TEST(GemmGroups, GroupsAreFurtherRowsOfOneTensorMap) {
  const Config c{.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true};
  const Sizes s = masked_sizes();
  ASSERT_EQ(why_unfit(c, s), nullptr);
  const TensorMapSpecs maps = describe_tensor_maps(c, s);
  EXPECT_EQ(maps.a.dims[1], 5 * 50 + 40);
  EXPECT_EQ(maps.b.dims[1], 6 * 500);
  EXPECT_EQ(maps.d.dims[1], 6 * 40);
  EXPECT_EQ(maps.scale_a.dims[0], 40);
  EXPECT_EQ(maps.scale_a.dims[1], 6 * 3);
  const Params p = make_params(c, s, {}, false);
  EXPECT_EQ(p.a_group_rows, 50);
  EXPECT_EQ(p.b_group_rows, 500);
  EXPECT_EQ(p.d_group_rows, 40);
  EXPECT_EQ(p.scales_of_a.group_blocks, 3);
  EXPECT_EQ(p.scales_of_b.group_stride, 12);
  EXPECT_EQ(p.schedule.units_m, 6);
  EXPECT_EQ(p.b_policy, static_cast<uint64_t>(CachePolicy::kEvictFirst));
}

TEST(GemmGroups, ContiguousRowsAreOnePlane) {
  const Config c{.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true};
  Sizes s = masked_sizes();
  s.m = 1000;
  s.groups.form = GroupForm::kOffsets;
  const TensorMapSpecs maps = describe_tensor_maps(c, s);
  EXPECT_EQ(maps.a.dims[1], 1000);
  EXPECT_EQ(maps.d.dims[1], 1000);
  EXPECT_EQ(maps.b.dims[1], 6 * 500);
  const Params p = make_params(c, s, {}, false);
  EXPECT_EQ(p.a_group_rows, 0);
  EXPECT_EQ(p.d_group_rows, 0);
  EXPECT_EQ(p.b_policy, static_cast<uint64_t>(CachePolicy::kNormal));
}

TEST(GemmGroups, OnlyFewWeightsAreLoadedEvictFirst) {
  const Config c{.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true};
  Sizes s = masked_sizes();
  EXPECT_TRUE(evicts_weights_first(c, s));
  s.n = kMostEvictFirstBytes / s.groups.num_groups / s.k + 1;
  EXPECT_TRUE(reads_weights_once(c, s));
  EXPECT_FALSE(evicts_weights_first(c, s));
  // Of contiguous rows, no more groups than rows have any.
  s.groups.form = GroupForm::kOffsets;
  s.groups.expected_rows = 1;
  s.m = 5;
  EXPECT_TRUE(evicts_weights_first(c, s));
}

TEST(GemmGroups, UnfitGroupsSayWhy) {
  const Config c{.block_m = 64, .block_n = 128, .math_warpgroups = 1, .grouped = true};
  Sizes s = masked_sizes();
  EXPECT_NE(why_unfit(Config{}, s), nullptr);
  s.groups.a_stride += 16;
  EXPECT_NE(why_unfit(c, s), nullptr);
  s = masked_sizes();
  s.groups.num_groups = 60000000;
  EXPECT_NE(why_unfit(c, s), nullptr);
  s.groups = {};
  EXPECT_NE(why_unfit(c, s), nullptr);
}

}  // namespace
}  // namespace fathom::device::gemm
