// Which tile a cluster computes at which step: pure functions of run-time numbers, the same for the
// kernel, the planner and the tests. Contract layer: includes only the contract and base/.
#pragma once

#include "base/math.hpp"
#include "gemm/config.hpp"
#include "gemm/groups.hpp"

namespace fathom::device::gemm {

/// A CTA's share of D: rows [row, row + block_m) clipped at row_end, columns [col, col + block_n)
/// clipped at n. A tile of a pair may lie outside D altogether; it then stores nothing.
struct Tile {
  int32_t group = 0;    ///< whose B; 0 when dense
  int32_t row = 0;      ///< first row of A and of D, masked: of the group; see tile_base
  int32_t row_end = 0;  ///< rows from here on belong to somebody else
  int32_t col = 0;      ///< first column of D = first row of B
};

/// Where the rows of a grouped tile start in shared memory: TMA fetches scales of A, which lie
/// along m, from multiples of 16 bytes only (an illegal instruction otherwise, seen on an H200).
/// The first tile of an item may so begin with up to three rows of the item before, which it does
/// not store.
inline constexpr int kTileRowAlign = 4;
FATHOM_HD constexpr int32_t tile_base(int32_t row) {
  return row & -kTileRowAlign;
}

/// Tiles are walked in bands: of so many rows of tiles, down along m first, then along n, or, with
/// `along_n`, of so many columns of tiles, along n first, then down along m.
struct TileOrder {
  int band_tiles = 8;
  bool along_n = false;
};

/// The run-time numbers of the tile order. A unit is what a cluster takes in one step: cluster_m x
/// cluster_n tiles.
struct Schedule {
  int32_t m = 0;
  int32_t units_m = 0;  ///< grouped: as many as there can be, for the size of the grid
  int32_t units_n = 0;
  int32_t band = 1;  ///< units of a band, see TileOrder
  bool along_n = false;
  int32_t turn = 0;  ///< grouped: the unit of a band that is walked first, modulo the band
  // Dense: what dense_tile divides by. A division would stand before the first load of a CTA.
  Divisor by_band = {};        ///< by the units of a band
  Divisor by_width = {};       ///< by `band`
  Divisor by_last_width = {};  ///< by the width of the last band, which may be less

  FATHOM_HD constexpr int32_t num_units() const { return units_m * units_n; }
};

/// Columns that tiles are laid over: all, or, where they take strips, those of whole tiles.
FATHOM_HD constexpr int64_t tiled_cols(const Config& c, int64_t n) {
  return c.strip_n > 0 ? round_down<int64_t>(n, c.block_n) : n;
}

/// First column of the strip of the tile at column `col`: the columns past whole tiles are dealt
/// out, strip_n to each tile of a row from the left. n and beyond: there is none left.
///
///   n = 2112   | 128 | 128 | 128 | 128 | 128 | 128 | ... | 128 | 64 = 8 strips |
///                 0     1     2                             15   0 1 2 3 4 5 6 7
FATHOM_HD constexpr int32_t strip_col(const Config& c, int32_t n, int32_t col) {
  return round_down(n, c.block_n) + col / c.block_n * c.strip_n;
}

FATHOM_HD constexpr Schedule make_dense_schedule(const Config& c, int64_t m, int64_t n,
                                                 TileOrder order) {
  Schedule s;
  s.m = static_cast<int32_t>(m);
  s.units_m = static_cast<int32_t>(ceil_div<int64_t>(m, c.block_m * c.cluster_m));
  s.units_n = static_cast<int32_t>(ceil_div<int64_t>(tiled_cols(c, n), c.block_n * c.cluster_n));
  s.along_n = order.along_n;
  // At least 1: of columns that strips alone would hold there is no whole tile.
  const int32_t across = max_of(1, s.along_n ? s.units_n : s.units_m);
  const int32_t along = max_of(1, s.along_n ? s.units_m : s.units_n);
  const int unit_tiles = order.along_n ? c.cluster_n : c.cluster_m;
  s.band = c.resident() ? across : min_of(max_of(1, order.band_tiles / unit_tiles), across);
  s.by_band = make_divisor(s.band * along);
  s.by_width = make_divisor(s.band);
  s.by_last_width = make_divisor(across - (ceil_div(across, s.band) - 1) * s.band);
  return s;
}

/// Dense order: bands of `band` units, inside a band across it first, then along it.
///
///      n ->                                          n ->
///   m  0 2 4 6   band = 2: consecutive units      m  0 1 8 9   band = 2, along_n
///   |  1 3 5 7   share rows of A and columns of   |  2 3 . .
///   v  8 9 . .   B, so that the units in flight   v  4 5 . .
///                touch little of either.
///
/// `turn` starts the columns further down: else the CTAs that have the last tile of a group, which
/// may hold few rows, would have it in every group, wherever their number is a multiple of the
/// band's.
///
/// `pair_rank` is the CTA's place in a multicast pair (0 otherwise). Every tile of D comes up
/// exactly once over unit in [0, num_units) and pair_rank in [0, cluster_m * cluster_n).
FATHOM_HD constexpr Tile dense_tile(const Config& c, const Schedule& s, int32_t unit,
                                    int32_t pair_rank) {
  int32_t unit_m = 0;
  int32_t unit_n = unit;
  if (s.units_m > 1) {
    const bool along_n = !c.grouped && s.along_n;
    const int32_t across = along_n ? s.units_n : s.units_m;  // what is cut into bands
    const int32_t band_units = s.band * (along_n ? s.units_m : s.units_n);
    const int32_t band = c.grouped ? unit / band_units : s.by_band.quotient(unit);
    const int32_t within = unit - band * band_units;
    const int32_t width = min_of(s.band, across - band * s.band);
    const Divisor& by_width = width == s.band ? s.by_width : s.by_last_width;
    const int32_t step = c.grouped ? within / width : by_width.quotient(within);
    int32_t in_band = within - step * width;
    if (c.grouped) in_band = (in_band + s.turn) % width;
    in_band += band * s.band;
    unit_m = along_n ? step : in_band;
    unit_n = along_n ? in_band : step;
  }
  const int32_t rank_m = c.cluster_m == 2 ? pair_rank : 0;
  const int32_t rank_n = c.cluster_n == 2 ? pair_rank : 0;
  return {0, (unit_m * c.cluster_m + rank_m) * c.block_m, s.m,
          (unit_n * c.cluster_n + rank_n) * c.block_n};
}

/// No grouped problem has more tiles (or units) of `rows` rows above each other.
FATHOM_HD constexpr int64_t most_grouped_tiles_m(GroupForm form, int64_t m, int64_t num_groups,
                                                 int64_t num_entries, int64_t rows) {
  if (form == GroupForm::kMasked) return ceil_div(m, rows) * num_groups;
  return ceil_div(m + num_entries * (kTileRowAlign - 1), rows) + num_entries;
}

/// As make_dense_schedule; how many units there are along m is known only where the metadata is.
FATHOM_HD constexpr Schedule make_grouped_schedule(const Config& c, const GroupIndex& index,
                                                   int64_t n, int band_tiles) {
  Schedule s = make_dense_schedule(c, index.rows, n, {band_tiles, false});
  const int64_t most = most_grouped_tiles_m(index.form, index.rows, index.num_groups,
                                            index.num_entries(), c.block_m * c.cluster_m);
  s.units_m = static_cast<int32_t>(min_of<int64_t>(most, 2147483647));
  return s;
}

/// The dense schedule of one item's rows.
FATHOM_HD constexpr Schedule item_schedule(const Config& c, const Schedule& s, const Item& item) {
  const int32_t rows = item.row < item.row_end ? item.row_end - tile_base(item.row) : 0;
  return {.m = rows,
          .units_m = ceil_div(rows, c.block_m * c.cluster_m),
          .units_n = s.units_n,
          .band = s.band,
          .turn = item.group};
}

/// Grouped order: item by item, inside an item as in dense_tile. No tile and no pair reaches into
/// two items: the second tile of a pair along m may have no rows, but never those of another group.
FATHOM_HD constexpr Tile item_tile(const Config& c, const Schedule& s, const Item& item,
                                   int32_t unit, int32_t pair_rank) {
  const Tile tile = dense_tile(c, item_schedule(c, s, item), unit, pair_rank);
  const int32_t base = tile_base(item.row) + tile.row;
  return {item.group, max_of(item.row, base), item.row_end, tile.col};
}

/// Rows that a tile stores, dense or grouped: [tile.row, tile.row + tile_rows).
FATHOM_HD constexpr int32_t tile_rows(const Config& c, const Tile& tile) {
  return max_of(0, min_of(tile_base(tile.row) + c.block_m, tile.row_end) - tile.row);
}

/// Whether this is the last tile of its column of a group: who loads the weights of any other may
/// expect that they are read again within a step or two.
FATHOM_HD constexpr bool ends_item(const Config& c, const Tile& tile) {
  return tile_base(tile.row) + c.block_m >= tile.row_end;
}

/// visit(unit, pair_rank, tile) for every tile of a grouped launch that stores something, in the
/// order of units: cluster `unit % clusters` of the grid computes it in its step `unit / clusters`.
/// Reads the metadata.
template <typename Visit>
FATHOM_HD constexpr void for_each_grouped_tile(const Config& c, const Schedule& s, int64_t n,
                                               const GroupIndex& index, const Visit& visit) {
  int32_t unit = 0;
  for_each_item(index, [&](const Item& item) {
    const int32_t units = item_schedule(c, s, item).num_units();
    for (int32_t i = 0; i < units; ++i, ++unit) {
      for (int32_t rank = 0; rank < c.cluster_m * c.cluster_n; ++rank) {
        const Tile tile = item_tile(c, s, item, i, rank);
        if (tile.row < tile.row_end && tile.col < n) visit(unit, rank, tile);
      }
    }
  });
}

/// The units of one cluster in its order: first, first + stride, ... below end.
struct UnitRun {
  int32_t first = 0;
  int32_t end = 0;
  int32_t stride = 1;
};

/// Clusters take turns, so that units in flight are neighbours; those of kResident have a run each,
/// the first `num_units % num_clusters` of them one unit longer.
FATHOM_HD constexpr UnitRun unit_run(const Config& c, int32_t num_units, int32_t cluster,
                                     int32_t num_clusters) {
  if (!c.resident()) return {cluster, num_units, num_clusters};
  const int32_t each = num_units / num_clusters;
  const int32_t longer = num_units - each * num_clusters;
  const int32_t first = cluster * each + min_of(cluster, longer);
  return {first, first + each + (cluster < longer ? 1 : 0), 1};
}

/// Whose run a unit is in.
FATHOM_HD constexpr int32_t cluster_of_unit(const Config& c, int32_t num_units, int32_t unit,
                                            int32_t num_clusters) {
  if (!c.resident()) return unit % num_clusters;
  const int32_t each = num_units / num_clusters;
  const int32_t longer = num_units - each * num_clusters;
  return max_of(unit / (each + 1), (unit - longer) / max_of(each, 1));
}

/// Blocks of k that part `part` of `parts` takes: [begin, end), as even as possible, together [0,
/// k_blocks).
struct KRange {
  int32_t begin = 0;
  int32_t end = 0;
};

/// k_blocks * parts must fit 31 bits, which any k below 2^31 and 8 parts do.
FATHOM_HD constexpr KRange k_range(int32_t k_blocks, int32_t part, int32_t parts) {
  return {k_blocks * part / parts, k_blocks * (part + 1) / parts};
}

}  // namespace fathom::device::gemm
