// What TMA fetches of an operand for one tile. Device layer of the gemm family; must not include
// another family.
#pragma once

#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"

namespace fathom::device::gemm {

/// The boxes of a tile.
struct Box {
  int rows;   // 0: the tile lies outside the operand
  bool tail;  // whether they are those of the tensor map for last tiles

  FATHOM_DEVICE const TensorMap& map(const TensorMap& whole, const TensorMap& of_tail) const {
    return tail ? of_tail : whole;
  }
};

/// `left` rows from the tile on, `tile_rows` of which are the tile's.
FATHOM_DEVICE Box box_of(int left, int tile_rows, int box_rows, int tail_rows) {
  const bool tail = left < tile_rows && tail_rows > 0;
  return {left <= 0 ? 0 : tail ? tail_rows : box_rows, tail};
}

/// Rows of A of one tile, as one CTA fetches them.
template <Config kConfig>
FATHOM_DEVICE Box box_of_a(const Params& params, const Tile& tile) {
  if (kConfig.grouped) return {kConfig.block_m / kConfig.cluster_n, false};
  return box_of(tile.row_end - tile.row, kConfig.block_m, params.a_box_rows, params.a_tail_rows);
}

/// Rows of B, which are columns of D.
template <Config kConfig>
FATHOM_DEVICE Box box_of_b(const Params& params, const Tile& tile) {
  if (kConfig.grouped) return {kConfig.block_n / kConfig.cluster_m, false};
  return box_of(params.n - tile.col, kConfig.block_n, params.b_box_rows, params.b_tail_rows);
}

}  // namespace fathom::device::gemm
