// Sums -> staging -> D, by TMA. Each math warpgroup, or warp (Config::d_warps), has its own rows
// and its own staging buffers, so it meets nobody else and its stores run under its next tile.
// Device layer of the gemm family.
//
//   registers --cvt, stmatrix--> chunk [d_rows, d_chunk_cols], swizzled --TMA store, clipped at m
//   and n--> D
//
// The last rows of a group, fewer than a chunk has, go from the chunk to D by 16-byte stores of the
// rows that exist: the rows below belong to somebody else.
#pragma once

#include "gemm/config.hpp"
#include "gemm/direct_store.cuh"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/barrier.cuh"
#include "ptx/global.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"
#include "sync/pipeline.cuh"
#include "tile/accumulator.cuh"
#include "tile/swizzle.hpp"

namespace fathom::device::gemm {

template <Config kConfig>
struct Epilogue {
  using Sums = tile::Accumulator<kConfig.right_rows()>;
  static constexpr bool kSwap = kConfig.swap_operands;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kChunkCols = kConfig.d_chunk_cols();
  static constexpr int kRowBytes = kChunkCols * kConfig.d_bytes();
  static constexpr int kBuffers = kConfig.staging_chunks;
  static constexpr int kThreads = kConfig.d_warps() * 32;  // that stage and store together
  static constexpr bool kByWarp = kConfig.d_warps() == 1;

  const Params& params;
  SmemAddr staging;  // the buffers of those who store with this thread
  SmemAddr write;    // where this thread writes in a chunk, before the step along the row
  int first_slice;   // of the product's rows: where theirs start in a tile
  int warpgroup;
  bool stores;  // the one thread of them that issues TMA

  FATHOM_DEVICE Epilogue(const Params& p, SmemAddr smem, int the_warpgroup, int warp)
      : params(p),
        staging(smem + kPlan.staging +
                (kByWarp ? the_warpgroup * 4 + warp : the_warpgroup) * kBuffers *
                    kPlan.staging_chunk_bytes),
        first_slice((kConfig.resident() ? 0 : the_warpgroup * kConfig.waves() * kWgmmaM) +
                    (kByWarp ? warp * 16 : 0)),
        warpgroup(the_warpgroup),
        stores((kByWarp || warp == 0) && ptx::lane_index() == 0) {
    const int lane = ptx::lane_index();
    const int row = kByWarp ? 0 : warp * 16;  // this warp's first in the chunk
    // bf16: lane l addresses row l % 16 of the warp's, column half l / 16, for stmatrix. fp32: its
    // own row and column pair. Swapped: the warp's 16 rows of the product are columns of D; lane l
    // addresses row l % 8 of D (plus 8 in the upper half warp), column half l / 8 % 2.
    const int in_chunk =
        kSwap ? (lane / 16 * 8 + lane % 8) * kRowBytes + warp * 32 + lane / 8 % 2 * 16
        : kConfig.output == Output::kBf16 ? (row + lane % 16) * kRowBytes + lane / 16 * 16
                                          : (row + lane / 4) * kRowBytes + lane % 4 * 8;
    write = staging + tile::swizzled(in_chunk, kRowBytes);
    ptx::make_opaque(write.value);
  }

  /// Stores this thread's share of wave `wave` of a tile. Returns when the sums may be overwritten,
  /// not when D is written.
  FATHOM_DEVICE void store(const Sums& sums, const Tile& tile, int wave) const {
    const int slice = first_slice + wave * kWgmmaM;
    Slice d{tile.row + (kSwap ? 0 : slice), 0, 0, tile.col + (kSwap ? slice : 0)};
    if constexpr (kConfig.grouped) {
      d.row += tile_base(tile.row) - tile.row;
      d.skip = max_of(tile.row - d.row, 0);
    }
    d.rows = tile.row_end - d.row;
    if constexpr (kConfig.grouped) d.row += tile.group * params.d_group_rows;
    if (kConfig.grouped && d.rows <= 0) return;  // the second wave of the last rows
    const bool whole = kConfig.grouped ? d.rows >= kConfig.d_rows() && d.skip == 0 : d.rows > 0;
#pragma unroll
    for (int first = 0; first < kConfig.d_chunks(); first += kBuffers) {
      if (stores) ptx::bulk_wait_group_read<0>();
      sync_stagers();
#pragma unroll
      for (int buffer = 0; buffer < kBuffers; ++buffer)
        stage_chunk(sums, first + buffer, buffer * kPlan.staging_chunk_bytes);
      ptx::fence_proxy_async();
      sync_stagers();
      const int col = d.col + first * kChunkCols;
      if (stores && whole) {
#pragma unroll
        for (int buffer = 0; buffer < kBuffers; ++buffer)
          store_chunk(buffer, col + buffer * kChunkCols, d.row);
        ptx::bulk_commit_group();
      }
      if (kConfig.grouped && !whole) store_rows(d, col);
      if (params.d_tma_cols != params.n) store_ragged(d, col);
    }
    if constexpr (kConfig.strip_n > 0) store_strip(sums, tile, d);
  }

  /// Before the CTA ends: its shared memory is still being read.
  FATHOM_DEVICE void finish() const {
    if (stores) ptx::bulk_wait_group_read<0>();
  }

 private:
  /// Where a staged slice of d_rows belongs in D: its first row and column, and which of its rows
  /// exist: [skip, rows). skip is 0 but in the first rows of a group.
  struct Slice {
    int row, skip, rows, col;
  };

  FATHOM_DEVICE void sync_stagers() const {
    if constexpr (kByWarp)
      ptx::warp_sync();
    else
      ptx::barrier_sync(static_cast<int>(sync::NamedBarrier::kWarpgroup0) + warpgroup, kThreads);
  }

  FATHOM_DEVICE void stage_chunk(const Sums& sums, int chunk, int buffer_bytes) const {
    const float* v = sums.v + chunk * kChunkCols / 2;
    if constexpr (kConfig.output == Output::kFp32) {
#pragma unroll
      for (int group = 0; group < kChunkCols / 8; ++group) {
        const SmemAddr to = (write + buffer_bytes) ^ (group * 32);
        ptx::store_shared_v2(to, v[4 * group], v[4 * group + 1]);
        ptx::store_shared_v2(to + 8 * kRowBytes, v[4 * group + 2], v[4 * group + 3]);
      }
    } else if constexpr (kSwap) {
      stage_transposed(sums);
    } else if constexpr (kChunkCols >= 16) {
#pragma unroll
      for (int pair = 0; pair < kChunkCols / 16; ++pair, v += 8)
        ptx::stmatrix_x4((write + buffer_bytes) ^ (pair * 32), ptx::pack_bf16(v[0], v[1]),
                         ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                         ptx::pack_bf16(v[6], v[7]));
    } else {
      ptx::stmatrix_x2(write + buffer_bytes, ptx::pack_bf16(v[0], v[1]),
                       ptx::pack_bf16(v[2], v[3]));
    }
  }

  /// The 64 columns of D that a swapped product's 64 rows are: one chunk.
  FATHOM_DEVICE void stage_transposed(const Sums& sums) const {
    const float* v = sums.v;
#pragma unroll
    for (int pair = 0; pair < Sums::kGroups / 2; ++pair, v += 8)
      ptx::stmatrix_x4_trans(write + pair * 16 * kRowBytes, ptx::pack_bf16(v[0], v[1]),
                             ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                             ptx::pack_bf16(v[6], v[7]));
    if constexpr (Sums::kGroups % 2 == 1)
      ptx::stmatrix_x2_trans(write + Sums::kGroups / 2 * 16 * kRowBytes, ptx::pack_bf16(v[0], v[1]),
                             ptx::pack_bf16(v[2], v[3]));
  }

  /// The tile's strip, straight from registers: 16 bytes of a row are too few for TMA.
  FATHOM_DEVICE void store_strip(const Sums& sums, const Tile& tile, const Slice& d) const {
    constexpr Config kFolded = kConfig;  // see UnitWalk
    const float* v = sums.v + kConfig.block_n / 2;
    const int lane = ptx::lane_index();
    const int row = lane / 4;
    const int col = strip_col(kFolded, params.n, tile.col) + lane % 4 * 2;
    if (row < d.rows) store_pair<kFolded>(params, v[0], v[1], d.row + row, col);
    if (row + 8 < d.rows) store_pair<kFolded>(params, v[2], v[3], d.row + row + 8, col);
  }

  /// The staged rows that exist, whole 16-byte pieces of them. All who staged them, each with its
  /// piece of every kRowsAtOnce-th row: all reads first, then the stores.
  FATHOM_DEVICE void store_rows(const Slice& d, int first_col) const {
    constexpr int kPieces = kRowBytes / 16;
    constexpr int kRowsAtOnce = kThreads / kPieces;
    constexpr int kSteps = ceil_div(kConfig.d_rows(), kRowsAtOnce);
    const int thread = ptx::thread_index() % kThreads;
    const int first_row = thread / kPieces;
    const int piece = thread % kPieces;
    const int rows = min_of(d.rows, kConfig.d_rows());
#pragma unroll
    for (int buffer = 0; buffer < kBuffers; ++buffer) {
      const int col = first_col + buffer * kChunkCols + piece * (16 / kConfig.d_bytes());
      if (first_row >= rows || col >= params.d_tma_cols) continue;
      ptx::Word4 v[kSteps];
#pragma unroll
      for (int i = 0; i < kSteps; ++i) {
        const int row = first_row + i * kRowsAtOnce;
        if (kConfig.d_rows() % kRowsAtOnce == 0 || row < kConfig.d_rows())
          v[i] = ptx::load_shared_v4_u32(staging +
                                         (buffer * kPlan.staging_chunk_bytes +
                                          tile::swizzled(row * kRowBytes + piece * 16, kRowBytes)));
      }
      auto* to = static_cast<unsigned char*>(params.d_data) +
                 ((d.row + first_row) * params.d_pitch + col) * kConfig.d_bytes();
#pragma unroll
      for (int i = 0; i < kSteps; ++i, to += kRowsAtOnce * params.d_pitch * kConfig.d_bytes()) {
        const int row = first_row + i * kRowsAtOnce;
        if (row >= d.skip && row < rows) ptx::store_global_v4(to, v[i]);
      }
    }
  }

  FATHOM_DEVICE void store_chunk(int buffer, int col, int row) const {
    if (col >= params.d_tma_cols) return;
    const SmemAddr from = staging + buffer * kPlan.staging_chunk_bytes;
    if (kConfig.output == Output::kFp32 && params.accumulate != 0)
      ptx::tma_add_2d(params.d, from, col, row);
    else
      ptx::tma_store_2d(params.d, from, col, row);
  }

  /// The last columns of D, fewer than a 16-byte chunk, from the staged chunks that begin at column
  /// `first_col`: one thread a row.
  FATHOM_DEVICE void store_ragged(const Slice& d, int first_col) const {
    const int in_chunks = params.d_tma_cols - first_col;
    if (in_chunks < 0 || in_chunks >= kBuffers * kChunkCols) return;
    const int row = ptx::thread_index() % kThreads;
    if (row >= kConfig.d_rows() || row >= d.rows || row < d.skip) return;
    const int in_row = in_chunks % kChunkCols * kConfig.d_bytes();
    const SmemAddr from = staging + in_chunks / kChunkCols * kPlan.staging_chunk_bytes +
                          tile::swizzled(row * kRowBytes + in_row, kRowBytes);
    for (int i = 0; i < params.n - params.d_tma_cols; ++i) {
      const int col = params.d_tma_cols + i;
      if constexpr (kConfig.output == Output::kFp32)
        store_element(params, ptx::load_shared(from + i * 4), d.row + row, col);
      else
        ptx::store_global(
            static_cast<uint16_t*>(params.d_data) + ((d.row + row) * params.d_pitch + col),
            ptx::load_shared_u16(from + i * 2));
    }
  }
};

}  // namespace fathom::device::gemm
