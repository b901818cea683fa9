// Planning layer: pure.
#include "plan/gemm_tiles.hpp"

#include <algorithm>

#include "gemm/schedule.hpp"

namespace fathom::plan {
namespace {

using device::gemm::Schedule;
using device::gemm::Tile;

template <typename Visit>
void for_each_dense_tile(const GemmConfig& c, const Schedule& s, std::int64_t n, Visit&& visit) {
  for (std::int32_t unit = 0; unit < s.num_units(); ++unit) {
    for (int rank = 0; rank < c.cluster_m * c.cluster_n; ++rank) {
      const Tile tile = device::gemm::dense_tile(c, s, unit, rank);
      if (tile.row < tile.row_end && tile.col < n) visit(unit, rank, tile);
    }
  }
}

}  // namespace

std::vector<LaunchTile> launch_tiles(const GemmPlan& plan, const GemmProblem& problem,
                                     const void* index) {
  std::vector<LaunchTile> tiles;
  if (!plan.launches()) return tiles;
  const GemmConfig& c = plan.config;
  const auto clusters = static_cast<std::int32_t>(plan.launch.grid / plan.launch.cluster);
  const auto groups = device::gemm::make_group_index(sizes_of(problem), index);
  const Schedule s =
      problem.grouped()
          ? device::gemm::make_grouped_schedule(c, groups, problem.n, plan.order.band_tiles)
          : device::gemm::make_dense_schedule(c, problem.m, problem.n, plan.order);
  // Of groups an upper limit, and not asked for.
  const std::int32_t num_units = problem.grouped() ? 0 : s.num_units();
  const std::int64_t group_rows = problem.form == Groups::Form::kMasked ? problem.m : 0;
  const std::int64_t tiled = device::gemm::tiled_cols(c, problem.n);
  const auto add = [&](std::int32_t unit, std::int32_t rank, const Tile& tile) {
    const auto cluster = device::gemm::cluster_of_unit(c, num_units, unit, clusters);
    const auto run = device::gemm::unit_run(c, num_units, cluster, clusters);
    tiles.push_back({.cta = cluster * plan.launch.cluster + rank,
                     .step = (unit - run.first) / run.stride,
                     .cluster = cluster,
                     .group = tile.group,
                     .row0 = tile.group * group_rows + tile.row,
                     .rows = device::gemm::tile_rows(c, tile),
                     .col0 = tile.col,
                     .cols = std::min<std::int64_t>(c.block_n, tiled - tile.col),
                     .multicast = c.cluster_m * c.cluster_n > 1});
    const auto n = static_cast<std::int32_t>(problem.n);
    const std::int32_t strip = device::gemm::strip_col(c, n, tile.col);
    if (c.strip_n == 0 || strip >= n) return;
    tiles.push_back(tiles.back());
    tiles.back().col0 = strip;
    tiles.back().cols = std::min(c.strip_n, n - strip);
  };
  if (problem.grouped()) {
    device::gemm::for_each_grouped_tile(c, s, problem.n, groups, add);
  } else {
    for_each_dense_tile(c, s, problem.n, add);
  }
  return tiles;
}

}  // namespace fathom::plan
