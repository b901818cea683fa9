// The tiles of a launch: each element of every group's rows once, none outside, no pair across
// groups, for random groups, configs and SM counts. No GPU.
#include "plan/gemm_tiles.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gemm/schedule.hpp"
#include "reference/gemm.hpp"
#include "reference/problem_data.hpp"
#include "support/gemm_problems.hpp"

namespace fathom::plan {
namespace {

using fathom::testing::dense_problem;
using fathom::testing::grouped_problem;
using Form = Groups::Form;

/// A problem and its metadata, as the host knows it.
struct Case {
  GemmProblem problem;
  std::vector<std::int32_t> narrow;
  std::vector<std::int64_t> wide;
  std::vector<std::int32_t> owner;  ///< group of each row of D, -1 = nobody

  const void* index() const {
    return problem.index_is_int64 ? static_cast<const void*>(wide.data()) : narrow.data();
  }
};

/// How many rows each group gets: even, uneven, few, ones, one takes all.
std::vector<std::int64_t> counts_of(int kind, std::int64_t groups, std::mt19937_64& random) {
  const auto pick = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random);
  };
  std::vector<std::int64_t> counts(static_cast<std::size_t>(groups));
  for (std::int64_t& count : counts) {
    if (kind == 0) count = pick(300);
    if (kind == 1) count = pick(3) == 0 ? pick(700) : 0;
    if (kind == 2) count = 1;
    if (kind == 3) count = pick(20);
  }
  if (kind == 4) counts[static_cast<std::size_t>(pick(groups - 1))] = 1 + pick(1500);
  return counts;
}

/// The metadata of these counts in one of its forms.
Case case_of(Form form, std::vector<std::int64_t> counts, std::int64_t alignment, std::int64_t n,
             std::int64_t k, std::mt19937_64& random) {
  const auto groups = static_cast<std::int64_t>(counts.size());
  std::vector<std::int64_t> index;
  std::int64_t m = 0;
  const auto round_up = [&](std::int64_t row) {
    return (row + alignment - 1) / alignment * alignment;
  };
  if (form == Form::kMasked) {
    m = *std::max_element(counts.begin(), counts.end()) + static_cast<std::int64_t>(random() % 9);
    index = counts;
  } else if (form == Form::kOffsets) {
    index = {static_cast<std::int64_t>(random() % 5)};
    for (const std::int64_t count : counts) index.push_back(index.back() + count);
    m = index.back() + static_cast<std::int64_t>(random() % 100);
  } else if (form == Form::kGroupEnd) {
    for (const std::int64_t count : counts) {
      if (count > 0 || index.empty()) m = round_up(m) + count;
      index.push_back(m);
    }
    m += static_cast<std::int64_t>(random() % 100);
  } else {
    std::vector<std::pair<std::int64_t, std::int64_t>> blocks;
    for (std::int64_t g = 0; g < groups; ++g)
      for (std::int64_t row = 0; row < counts[static_cast<std::size_t>(g)]; row += alignment)
        blocks.emplace_back(g, std::min(alignment, counts[static_cast<std::size_t>(g)] - row));
    for (int i = 0; i < 3; ++i) blocks.emplace_back(-1, 0);
    if (random() % 2 == 0) std::shuffle(blocks.begin(), blocks.end(), random);
    for (const auto& [group, rows] : blocks)
      for (std::int64_t row = 0; row < alignment; ++row) index.push_back(row < rows ? group : -1);
    index.resize(index.size() - static_cast<std::size_t>(random() % 16));
    m = static_cast<std::int64_t>(index.size());
  }
  Case c;
  c.problem = grouped_problem(form, groups, m, n, k);
  c.problem.alignment = alignment;
  c.problem.index_is_int64 = form == Form::kOffsets && random() % 2 == 0;
  c.narrow.assign(index.begin(), index.end());
  c.wide = index;
  Groups view;
  view.form = form;
  view.alignment = alignment;
  view.index =
      TensorView::vector(c.index(), c.problem.index_is_int64 ? DType::kInt64 : DType::kInt32,
                         static_cast<std::int64_t>(index.size()));
  c.owner = reference::row_groups(c.problem, view);
  return c;
}

/// Whether this is what a tile takes of the columns past whole tiles.
bool is_strip(const Case& c, const GemmPlan& plan, const LaunchTile& t) {
  return t.col0 >= device::gemm::tiled_cols(plan.config, c.problem.n);
}

/// Every element of a valid row is in one tile, no other element in any.
void expect_cover(const Case& c, const GemmPlan& plan, const std::vector<LaunchTile>& tiles) {
  const std::int64_t n = c.problem.n;
  // Tiles and strips start at multiples of 8: a row's are marked by eight columns.
  const std::int64_t col_blocks = (n + 7) / 8;
  const std::int64_t tiled = device::gemm::tiled_cols(plan.config, n);
  std::vector<int> visits(c.owner.size() * static_cast<std::size_t>(col_blocks));
  for (const LaunchTile& t : tiles) {
    ASSERT_GE(t.rows, 1);
    ASSERT_LE(t.rows, plan.config.block_m);
    if (is_strip(c, plan, t)) {
      ASSERT_EQ(t.cols, std::min<std::int64_t>(plan.config.strip_n, n - t.col0));
    } else {
      ASSERT_EQ(t.col0 % plan.config.block_n, 0);
      ASSERT_EQ(t.cols, std::min<std::int64_t>(plan.config.block_n, tiled - t.col0));
    }
    ASSERT_GE(t.row0, 0);
    ASSERT_LE(t.row0 + t.rows, static_cast<std::int64_t>(c.owner.size()));
    for (std::int64_t row = t.row0; row < t.row0 + t.rows; ++row) {
      ASSERT_EQ(c.owner[static_cast<std::size_t>(row)], t.group) << "row " << row;
      for (std::int64_t block = t.col0 / 8; block < (t.col0 + t.cols + 7) / 8; ++block)
        ++visits[static_cast<std::size_t>(row * col_blocks + block)];
    }
  }
  for (std::size_t i = 0; i < visits.size(); ++i) {
    const auto row = i / static_cast<std::size_t>(col_blocks);
    ASSERT_EQ(visits[i], c.owner[row] >= 0 ? 1 : 0) << "row " << row;
  }
}

/// Where the tiles run: inside the grid, one a CTA and step (beside its strip), pairs of one group
/// side by side.
void expect_places(const Case& c, const GemmPlan& plan, const std::vector<LaunchTile>& tiles) {
  std::set<std::pair<std::int64_t, std::int64_t>> places;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> group_of_step;
  for (const LaunchTile& t : tiles) {
    ASSERT_LT(t.cta, plan.launch.grid);
    ASSERT_EQ(t.cta / plan.launch.cluster, t.cluster);
    ASSERT_EQ(places.insert({t.cta, t.step}).second, !is_strip(c, plan, t))
        << "cta " << t.cta << " step " << t.step;
    const auto [at, first] = group_of_step.insert({{t.cluster, t.step}, t.group});
    ASSERT_EQ(at->second, t.group) << "a pair in two groups";
    ASSERT_EQ(t.multicast, plan.config.cluster_m * plan.config.cluster_n > 1);
  }
}

void expect_lawful(Case c, const GemmConfig& config, int sms) {
  c.problem.config = gemm_tag(config);
  c.problem.max_sms = sms;
  SCOPED_TRACE(fmt::format("{} form {} G {} m {} n {} sms {}", c.problem.config,
                           static_cast<int>(c.problem.form), c.problem.num_groups, c.problem.m,
                           c.problem.n, sms));
  if (!why_not(config, c.problem, DeviceSpec{}).empty() || c.problem.m == 0) return;
  const GemmPlan plan = plan_gemm(c.problem, DeviceSpec{});
  const std::vector<LaunchTile> tiles = launch_tiles(plan, c.problem, c.index());
  expect_cover(c, plan, tiles);
  expect_places(c, plan, tiles);
}

TEST(GemmTiles, EveryRowOfEveryGroupOnceAndNothingElse) {
  constexpr unsigned kSeed = 20261123;
  std::mt19937_64 random(kSeed);
  std::vector<GemmConfig> configs;
  for (const GemmConfig& config : gemm_configs())
    if (config.grouped && config.scale_b == device::gemm::ScaleB::k128x128)
      configs.push_back(config);
  ASSERT_FALSE(configs.empty());
  constexpr std::int64_t kAlignments[] = {16, 32, 64, 128, 256};
  for (int i = 0; i < 4000; ++i) {
    const auto groups = static_cast<std::int64_t>(1 + random() % (i % 10 == 0 ? 90 : 9));
    const Form form = static_cast<Form>(1 + i % 4);
    const Case c = case_of(form, counts_of(static_cast<int>(random() % 5), groups, random),
                           kAlignments[random() % 5], static_cast<std::int64_t>(1 + random() % 700),
                           128, random);
    expect_lawful(c, configs[random() % configs.size()], static_cast<int>(2 + random() % 131));
    if (HasFatalFailure() || HasNonfatalFailure()) FAIL() << "seed " << kSeed << " case " << i;
  }
}

TEST(GemmTiles, NoRowsNoTiles) {
  std::mt19937_64 random(1);
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    Case c = case_of(form, {0, 0, 0}, 128, 256, 128, random);
    if (c.problem.m == 0) continue;
    const GemmPlan plan = plan_gemm(c.problem, DeviceSpec{});
    EXPECT_TRUE(launch_tiles(plan, c.problem, c.index()).empty());
  }
}

TEST(GemmTiles, DenseTilesCoverD) {
  for (const std::int64_t m : {1, 64, 129, 1000}) {
    Case c;
    c.problem = dense_problem(m, 528, 1024);  // 16 columns past whole tiles of 128: two strips
    c.owner.assign(static_cast<std::size_t>(m), 0);
    for (const GemmConfig& config : gemm_configs())
      if (!config.grouped) expect_lawful(c, config, 77);
  }
}

}  // namespace
}  // namespace fathom::plan
