// Sums -> staging -> D, by TMA. Each math warpgroup, or warp (Config::d_warps), has its own rows
// and its own staging buffers, so it meets nobody else and its stores run under its next tile.
// Device layer of the gemm family.
//
//   registers --staging.cuh--> chunk [d_rows, d_chunk_cols], swizzled --TMA store, clipped at m and
//   n--> D
//
// The last rows of a group, fewer than a chunk has, go by row_store.cuh: the rows below belong to
// somebody else.
#pragma once

#include "gemm/config.hpp"
#include "gemm/direct_store.cuh"
#include "gemm/params.hpp"
#include "gemm/row_store.cuh"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "gemm/staging.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"
#include "tile/accumulator.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct Epilogue {
  using Sums = tile::Accumulator<kConfig.right_rows()>;
  static constexpr bool kSwap = kConfig.swap_operands;
  static constexpr bool kByWarp = kConfig.d_warps() == 1;
  static constexpr int kBuffers = kConfig.staging_chunks;
  static constexpr int kChunkCols = kConfig.d_chunk_cols();

  const Params& params;
  Staging<kConfig> staging;
  int first_slice;  // of the product's rows: where theirs start in a tile
  bool stores;      // the one thread of them that issues TMA

  FATHOM_DEVICE Epilogue(const Params& p, SmemAddr smem, int warpgroup, int warp)
      : params(p),
        staging(smem, warpgroup, warp),
        first_slice((kConfig.resident() ? 0 : warpgroup * kConfig.waves() * kWgmmaM) +
                    (kByWarp ? warp * 16 : 0)),
        stores((kByWarp || warp == 0) && ptx::lane_index() == 0) {}

  /// Stores this thread's share of wave `wave` of a tile. Returns when the sums may be overwritten,
  /// not when D is written.
  FATHOM_DEVICE void store(const Sums& sums, const Tile& tile, int wave) const {
    const int slice = first_slice + wave * kWgmmaM;
    Slice d{tile.row + (kSwap ? 0 : slice), tile.col + (kSwap ? slice : 0), {0, 0}};
    if constexpr (kConfig.grouped) {
      d.row += tile_base(tile.row) - tile.row;
      d.range.begin = max_of(tile.row - d.row, 0);
    }
    d.range.end = tile.row_end - d.row;
    if constexpr (kConfig.grouped) d.row += tile.group * params.d_group_rows;
    if (kConfig.grouped && d.range.end <= 0) return;  // the second wave of the last rows
    const bool whole =
        kConfig.grouped ? d.range.end >= kConfig.d_rows() && d.range.begin == 0 : d.range.end > 0;
#pragma unroll
    for (int first = 0; first < kConfig.d_chunks(); first += kBuffers) {
      if (stores) ptx::bulk_wait_group_read<0>();
      staging.sync();
      staging.stage(sums, first);
      ptx::fence_proxy_async();
      staging.sync();
      if (stores && whole) {
#pragma unroll
        for (int buffer = 0; buffer < kBuffers; ++buffer)
          store_chunk(buffer, d.col + (first + buffer) * kChunkCols, d.row);
        ptx::bulk_commit_group();
      }
      store_rows(d, first, !whole);
    }
    if constexpr (kConfig.strip_n > 0) store_strip(sums, tile, d);
  }

  /// Before the CTA ends: its shared memory is still being read.
  FATHOM_DEVICE void finish() const {
    if (stores) ptx::bulk_wait_group_read<0>();
  }

 private:
  /// Where a staged slice of d_rows belongs in D: its first row and column, and which of its rows
  /// exist.
  struct Slice {
    int row, col;
    RowRange range;
  };

  /// Of the chunks staged from `first` on what TMA does not store: partial slices, and the ragged
  /// columns of all.
  FATHOM_DEVICE void store_rows(const Slice& d, int first, bool partial) const {
    if (kConfig.grouped && partial)
      RowStore<kConfig>(params, d.row, d.col).store(staging, first, d.range);
    else if (params.d_tma_cols != params.n)
      store_ragged(params, staging, d.row, d.col + first * kChunkCols, d.range);
  }

  FATHOM_DEVICE void store_chunk(int buffer, int col, int row) const {
    if (col >= params.d_tma_cols) return;
    const SmemAddr from = staging.buffer(buffer);
    if (kConfig.output == Output::kFp32 && params.accumulate != 0)
      ptx::tma_add_2d(params.d, from, col, row);
    else
      ptx::tma_store_2d(params.d, from, col, row);
  }

  /// The tile's strip, straight from registers: 16 bytes of a row are too few for TMA.
  FATHOM_DEVICE void store_strip(const Sums& sums, const Tile& tile, const Slice& d) const {
    constexpr Config kFolded = kConfig;  // see UnitWalk
    const float* v = sums.v + kConfig.block_n / 2;
    const int lane = ptx::lane_index();
    const int col = strip_col(kFolded, params.n, tile.col) + lane % 4 * 2;
    const DirectStore<kConfig> to(params, d.row + lane / 4, d.row + d.range.end, col);
    to.store(0, {v[0], v[1], v[2], v[3]});
  }
};

}  // namespace fathom::device::gemm
