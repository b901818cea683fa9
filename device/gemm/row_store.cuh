// Staged rows -> D by plain stores of 16 bytes a thread. Device layer of the gemm family.
//
// For the stream skeleton, whose last sums everybody waits for: no fence, no barrier and no TMA
// descriptor stand between a warp's staging and D. And for the rows of a group that are fewer than
// TMA stores: the rows beside them belong to somebody else.
#pragma once

#include "gemm/config.hpp"
#include "gemm/direct_store.cuh"
#include "gemm/params.hpp"
#include "gemm/staging.cuh"
#include "ptx/cast.cuh"
#include "ptx/global.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "tile/swizzle.hpp"

namespace fathom::device::gemm {

/// Which of a chunk's rows are stored.
struct RowRange {
  int begin, end;
};

/// Of the last columns of D, fewer than a piece, those in the staged chunks, the first of which
/// belongs at (row, col): one thread a row.
template <Config kConfig>
FATHOM_DEVICE void store_ragged(const Params& params, const Staging<kConfig>& staging, int row,
                                int col, const RowRange& range) {
  constexpr int kChunkCols = kConfig.d_chunk_cols();
  constexpr int kRowBytes = Staging<kConfig>::kRowBytes;
  const int first = params.d_tma_cols - col;
  if (first < 0 || first >= kConfig.staging_chunks * kChunkCols) return;
  const int r = ptx::thread_index() % Staging<kConfig>::kThreads;
  if (r >= kConfig.d_rows() || r < range.begin || r >= range.end) return;
  const int in_chunk = r * kRowBytes + first % kChunkCols * kConfig.d_bytes();
  const SmemAddr from = staging.buffer(first / kChunkCols) + tile::swizzled(in_chunk, kRowBytes);
  for (int i = 0; i < params.n - params.d_tma_cols; ++i) {
    const int at = params.d_tma_cols + i;
    if constexpr (kConfig.output == Output::kFp32)
      store_element(params, ptx::load_shared(from + i * 4), row + r, at);
    else
      ptx::store_global(static_cast<uint16_t*>(params.d_data) + ((row + r) * params.d_pitch + at),
                        ptx::load_shared_u16(from + i * 2));
  }
}

/// Where the rows of a slice, staged chunk by chunk, go. Made ahead of the sums, where they are
/// what everybody waits for: then a store is two comparisons, a load and a store.
template <Config kConfig>
struct RowStore {
  static constexpr int kChunkCols = Staging<kConfig>::kChunkCols;
  static constexpr int kRowBytes = Staging<kConfig>::kRowBytes;
  static constexpr int kThreads = Staging<kConfig>::kThreads;
  static constexpr int kPieces = kRowBytes / 16;  // of a row of a chunk, one a thread
  static constexpr int kRowsAtOnce = kThreads / kPieces;
  static constexpr int kSteps = ceil_div(kConfig.d_rows(), kRowsAtOnce);
  static constexpr int kPieceCols = 16 / kConfig.d_bytes();

  const Params& params;
  int row, col;      // of D: the slice's first
  int first_row;     // of a chunk: this thread's first; its next is kRowsAtOnce further down
  int piece;         // of each of those rows
  int cols;          // of D, in whole pieces, from this thread's first one on
  unsigned char* d;  // this thread's first piece
  int64_t step;      // bytes from one of its rows to the next

  FATHOM_DEVICE RowStore(const Params& p, int the_row, int the_col)
      : params(p),
        row(the_row),
        col(the_col),
        first_row(ptx::thread_index() % kThreads / kPieces),
        piece(ptx::thread_index() % kPieces),
        cols(p.d_tma_cols - the_col - piece * kPieceCols),
        d(static_cast<unsigned char*>(p.d_data) +
          ((row + first_row) * p.d_pitch + col + piece * kPieceCols) * kConfig.d_bytes()),
        step(kRowsAtOnce * p.d_pitch * kConfig.d_bytes()) {
    ptx::make_opaque(cols);
    ptx::make_opaque(d);
  }

  /// The rows of `range` of the chunks that are staged, from chunk `chunk` of the slice on.
  FATHOM_DEVICE void store(const Staging<kConfig>& staging, int chunk,
                           const RowRange& range) const {
#pragma unroll
    for (int buffer = 0; buffer < kConfig.staging_chunks; ++buffer) {
      const int chunk_col = (chunk + buffer) * kChunkCols;
      if (first_row < range.end && chunk_col < cols)
        store_pieces(staging.buffer(buffer), chunk_col, range);
    }
    if (params.d_tma_cols != params.n)
      store_ragged(params, staging, row, col + chunk * kChunkCols, range);
  }

 private:
  /// All reads first, then the stores.
  FATHOM_DEVICE void store_pieces(SmemAddr staged, int chunk_col, const RowRange& range) const {
    ptx::Word4 v[kSteps];
#pragma unroll
    for (int i = 0; i < kSteps; ++i)
      if (in_chunk(i))
        v[i] = ptx::load_shared_v4_u32(
            staged +
            tile::swizzled((first_row + i * kRowsAtOnce) * kRowBytes + piece * 16, kRowBytes));
    unsigned char* to = d + chunk_col * kConfig.d_bytes();
#pragma unroll
    for (int i = 0; i < kSteps; ++i, to += step) {
      const int r = first_row + i * kRowsAtOnce;
      if (!in_chunk(i) || r < range.begin || r >= range.end) continue;
      if (kConfig.output == Output::kFp32 && params.accumulate != 0)
        add(v[i], row + r, col + chunk_col + piece * kPieceCols);
      else
        ptx::store_global_v4(to, v[i]);
    }
  }

  FATHOM_DEVICE bool in_chunk(int step_index) const {
    return kConfig.d_rows() % kRowsAtOnce == 0 ||
           first_row + step_index * kRowsAtOnce < kConfig.d_rows();
  }

  FATHOM_DEVICE void add(const ptx::Word4& v, int d_row, int d_col) const {
    const uint32_t bits[4] = {v.x, v.y, v.z, v.w};
    for (int i = 0; i < 4; ++i)
      store_element(params, ptx::float_of_bits(bits[i]), d_row, d_col + i);
  }
};

}  // namespace fathom::device::gemm
