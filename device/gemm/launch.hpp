// From a problem to a launch: whether a config can run it, the grid, and every parameter but the
// bytes of the tensor maps. Contract layer: the planner, the host binder, the emulator and the
// tests share it; includes only the contract and base/.
#pragma once

#include "base/math.hpp"
#include "gemm/config.hpp"
#include "gemm/groups.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/sizes.hpp"
#include "gemm/tensor_maps.hpp"

namespace fathom::device::gemm {

/// why_unfit for what Grouping adds.
FATHOM_HD constexpr const char* why_unfit_groups(const Config& c, const Sizes& s) {
  const Grouping& g = s.groups;
  if (c.grouped != (g.form != GroupForm::kNone))
    return c.grouped ? "it computes groups, and there are none" : "it computes no groups";
  if (!c.grouped) return nullptr;
  if (g.num_groups < 1 || g.num_groups > kMaxExtent - 512)
    return "the number of groups must be 1 to 2^31 - 513";
  if (g.num_groups > 1 && g.b_stride % s.b_pitch != 0)
    return "groups of b must lie a multiple of b's row pitch apart";
  if (g.masked() && g.num_groups > 1 &&
      (g.a_stride % s.a_pitch != 0 || g.d_stride % s.d_pitch != 0))
    return "groups of a and d must lie a multiple of their row pitch apart";
  if (flat_rows(g.num_groups, s.n, g.b_stride, s.b_pitch) > kMaxExtent - 512 ||
      flat_rows(g.a_planes(), s.m, g.a_stride, s.a_pitch) > kMaxExtent - 512 ||
      flat_rows(g.a_planes(), s.m, g.d_stride, s.d_pitch) > kMaxExtent - 512)
    return "all groups together have more than 2^31 - 513 rows (TMA coordinates are 32-bit)";
  const int64_t entries =
      g.form == GroupForm::kRowGroup ? ceil_div(s.m, g.alignment) : g.num_groups;
  const int64_t tiles_m = most_grouped_tiles_m(g.form, s.m, g.num_groups, entries, c.block_m);
  if (tiles_m * ceil_div<int64_t>(s.n, c.block_n) > kMaxExtent / 2)
    return "more tiles than a 32-bit step counter holds";
  return nullptr;
}

/// Why this config cannot run these sizes; nullptr when it can. m, n, k >= 1 (empty problems never
/// reach a kernel).
FATHOM_HD constexpr const char* why_unfit(const Config& c, const Sizes& s) {
  if (s.m < 1 || s.n < 1 || s.k < 1) return "m, n and k must be at least 1";
  if (s.m > kMaxExtent - 512 || s.n > kMaxExtent - 512 || s.k > kMaxExtent - 512)
    return "an extent exceeds 2^31 - 513 (TMA coordinates are 32-bit)";
  if (c.stream() && k_blocks_per_cta(c, s.k_blocks()) > c.max_k_blocks)
    return "k has more blocks per CTA than the scale table of this config holds";
  if (c.whole_laps && s.k_blocks() % c.num_stages != 0)
    return "k does not fill whole laps of this config's ring";
  if (c.resident() && s.k_blocks() > c.num_stages)
    return "k has more blocks than this config keeps of B";
  if (ceil_div<int64_t>(s.m, c.block_m) * ceil_div<int64_t>(s.n, c.block_n) > kMaxExtent / 2)
    return "more tiles than a 32-bit step counter holds";
  const int64_t tiled = tiled_cols(c, s.n);
  if (c.strip_n > 0 && (s.n == tiled || (s.n - tiled) * c.block_n > tiled * c.strip_n))
    return "the columns past whole tiles must be some, and no more than the tiles' strips hold";
  if (c.strip_n > 0 && tiled % (c.block_n * c.cluster_n) != 0)
    return "a pair without its second tile would compute strips twice";
  return why_unfit_groups(c, s);
}

/// Tensors of a launch. Maps are encoded by the caller from describe_tensor_maps.
struct Pointers {
  const float* scale_a = nullptr;
  const float* scale_b = nullptr;
  void* d = nullptr;
  const void* group_index = nullptr;  ///< grouped: the metadata, see GroupForm
};

struct LaunchShape {
  int32_t grid = 0;
  int32_t block = 0;
  int32_t cluster = 0;  ///< CTAs of a cluster, along x
  int32_t smem_bytes = 0;
};

/// Grid for at most `max_ctas` CTAs (SM budget * ctas_per_sm): whole clusters, no more than there
/// are units, at least one.
FATHOM_HD constexpr LaunchShape launch_shape(const Config& c, const Schedule& s, int64_t max_ctas,
                                             int32_t smem_bytes) {
  const int64_t room = max_of<int64_t>(1, max_ctas / c.cluster_size());
  const int64_t clusters = min_of<int64_t>(room, s.num_units());
  return {static_cast<int32_t>(clusters * c.cluster_size()), c.num_threads(), c.cluster_size(),
          smem_bytes};
}

inline bool aligned_16(const void* pointer) {
  return (reinterpret_cast<uint64_t>(pointer) & 15) == 0;
}

/// Rows of A that a cluster takes in one step.
FATHOM_HD constexpr int64_t unit_rows(const Config& c) {
  return int64_t{c.block_m} * c.cluster_m;
}

/// Whether one cluster alone reads each weight, as far as is known.
FATHOM_HD constexpr bool reads_weights_once(const Config& c, const Sizes& s) {
  if (c.stream()) return true;
  const Grouping& g = s.groups;
  const int64_t rows = !c.grouped            ? s.m
                       : g.expected_rows > 0 ? g.expected_rows
                       : g.masked()          ? s.m
                                             : kMaxExtent;
  return rows <= unit_rows(c);
}

/// Weights loaded evict-first leave alone the dirty lines that the writes of the kernel before left
/// in L2: up to 12 % won below 180 MB of weights. Against that, evict-first streams 1 to 4 %
/// slower, and what other rows of tiles read later comes from memory again: with two to four rows
/// up to 5 % are won up to 90 MB, and up to 20 % lost beyond; with eight nothing (an H200,
/// bench/journal.md).
inline constexpr int64_t kMostEvictFirstBytes = 300'000'000;
inline constexpr int64_t kMostSharedEvictFirstBytes = 90'000'000;
inline constexpr int64_t kMostEvictFirstRows = 4;

FATHOM_HD constexpr bool evicts_weights_first(const Config& c, const Sizes& s) {
  if (c.stream()) return true;
  if (c.resident()) return false;
  const bool once = reads_weights_once(c, s);
  if (!once && (c.grouped || ceil_div(s.m, unit_rows(c)) > kMostEvictFirstRows)) return false;
  const Grouping& g = s.groups;
  const int64_t groups = !c.grouped ? 1 : g.masked() ? g.num_groups : min_of(g.num_groups, s.m);
  const int64_t most = once ? kMostEvictFirstBytes : kMostSharedEvictFirstBytes;
  return groups * s.n <= most / max_of<int64_t>(s.k, 1);
}

FATHOM_HD constexpr GroupIndex make_group_index(const Sizes& s, const void* data) {
  const Grouping& g = s.groups;
  return {data,
          g.form,
          g.index_is_int64 ? 1 : 0,
          static_cast<int32_t>(g.num_groups),
          static_cast<int32_t>(s.m),
          static_cast<int32_t>(g.alignment)};
}

inline void set_groups(const Config& c, const Sizes& s, const Pointers& p, int band_tiles,
                       Params& params) {
  const Grouping& g = s.groups;
  params.groups = make_group_index(s, p.group_index);
  params.schedule = make_grouped_schedule(c, params.groups, s.n, band_tiles);
  params.zero_padding = g.zero_padding && g.form == GroupForm::kRowGroup ? 1 : 0;
  params.b_group_rows = static_cast<int32_t>(g.b_stride / s.b_pitch);
  params.scales_of_b.group_stride = g.scale_b_stride;
  if (params.scales_of_b.by_tma != 0 && g.num_groups > 1)
    params.scales_of_b.group_blocks = static_cast<int32_t>(g.scale_b_stride / s.scale_b_k_stride);
  if (!g.masked()) return;
  params.a_group_rows = static_cast<int32_t>(g.a_stride / s.a_pitch);
  params.d_group_rows = static_cast<int32_t>(g.d_stride / s.d_pitch);
  params.scales_of_a.group_stride = g.scale_a_stride;
  if (params.scales_of_a.by_tma != 0 && g.num_groups > 1)
    params.scales_of_a.group_blocks = static_cast<int32_t>(g.scale_a_stride / s.scale_a_k_stride);
}

/// Everything of Params but the bytes of the tensor maps.
inline Params make_params(const Config& c, const Sizes& s, const Pointers& p, bool accumulate,
                          TileOrder order = {}, bool weights_constant = false) {
  Params params{};
  params.scales_of_a = {.data = p.scale_a,
                        .stride = s.scale_a_stride,
                        .k_stride = s.scale_a_k_stride,
                        .count = static_cast<int32_t>(s.m),
                        .by_tma = scales_of_a_fit_tma(s) && aligned_16(p.scale_a)};
  const bool per_row = c.scale_b == ScaleB::k1x128;
  params.scales_of_b = {.data = p.scale_b,
                        .stride = s.scale_b_stride,
                        .k_stride = s.scale_b_k_stride,
                        .count = static_cast<int32_t>(per_row ? s.n : ceil_div<int64_t>(s.n, 128)),
                        .by_tma = scales_of_b_fit_tma(c, s) && aligned_16(p.scale_b)};
  params.d_data = p.d;
  params.d_pitch = s.d_pitch;
  params.schedule = make_dense_schedule(c, s.m, s.n, order);
  if (c.grouped) set_groups(c, s, p, order.band_tiles, params);
  params.n = static_cast<int32_t>(s.n);
  params.d_tma_cols = tma_cols(c, s.n);
  params.k_blocks = static_cast<int32_t>(s.k_blocks());
  params.accumulate = accumulate ? 1 : 0;
  params.weights_constant = weights_constant ? 1 : 0;
  params.a_box_rows = a_box_rows(c, s.m);
  params.a_tail_rows = a_tail_rows(c, s.m);
  params.b_box_rows = b_box_rows(c, s.n);
  params.b_tail_rows = b_tail_rows(c, s.n);
  params.scale_a_rows = scale_a_rows(c, s.m);
  params.a_policy = static_cast<uint64_t>(CachePolicy::kNormal);
  params.b_policy = static_cast<uint64_t>(evicts_weights_first(c, s) ? CachePolicy::kEvictFirst
                                                                     : CachePolicy::kNormal);
  return params;
}

}  // namespace fathom::device::gemm
