// The casts: x -> q and scales, a CTA per tile of q. Device layer of the quantize family.
#pragma once

#include "ptx/barrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "quantize/elements.cuh"

namespace fathom::device::quantize {

/// What a thread holds of a tile of kRows rows by 128 columns of x: 8 neighbours of a row for every
/// 16th row (16 threads are a block of 128 columns). All loads come first, so that each thread has
/// 64 bytes and more in flight.
template <Config kConfig, int kRows>
struct ThreadRows {
  static constexpr int kAcross = kBlock / kVector;
  static constexpr int kRowsPerPass = kThreads / kAcross;
  static constexpr int kPasses = kRows / kRowsPerPass;

  TileOrigin origin;
  int thread;
  int64_t col;
  int present;  // of the 8 columns
  float v[kPasses][kVector];

  FATHOM_DEVICE ThreadRows(const Params& p, int cta)
      : origin(tile_origin<kConfig>(cta, p.cols)),
        thread(ptx::thread_index()),
        col(origin.col + thread % kAcross * kVector),
        present(count_before(col, p.cols)) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass)
      load_vector<kConfig.element>(p.x, row(pass) * p.x_row_stride + col,
                                   row(pass) < p.rows ? present : 0, p.x_vectors, v[pass]);
  }

  FATHOM_DEVICE int64_t row(int pass) const {
    return origin.row + thread / kAcross + pass * kRowsPerPass;
  }
  FATHOM_DEVICE void store(const Params& p, int pass, float scale) const {
    if (row(pass) < p.rows)
      store_codes(p.q, row(pass) * p.q_pitch + col, present, p.q_vectors, codes_of(v[pass], scale));
  }
};

template <Config kConfig>
FATHOM_DEVICE void cast_1x128(const Params& p, int cta) {
  const ThreadRows<kConfig, kConfig.tile_rows()> x(p, cta);
#pragma unroll
  for (int pass = 0; pass < x.kPasses; ++pass) {
    float amax = largest_magnitude(0.0f, x.v[pass]);
#pragma unroll
    for (int mask = x.kAcross / 2; mask > 0; mask /= 2)
      amax = ptx::max_number(amax, ptx::shuffle_xor(amax, mask));
    const float scale = scale_of(amax, p.power_of_two);
    if (x.thread % x.kAcross == 0 && x.row(pass) < p.rows)
      p.scale[x.row(pass) * p.scale_row_stride + x.origin.col / kBlock * p.scale_col_stride] =
          scale;
    x.store(p, pass, scale);
  }
}

/// The whole 128 x 128 block lives in the registers of one CTA; warps agree on its maximum through
/// shared memory.
template <Config kConfig>
FATHOM_DEVICE void cast_128x128(const Params& p, int cta, SmemAddr smem) {
  constexpr int kWarps = kThreads / 32;
  const ThreadRows<kConfig, kBlock> x(p, cta);
  float amax = 0.0f;
#pragma unroll
  for (int pass = 0; pass < x.kPasses; ++pass) amax = largest_magnitude(amax, x.v[pass]);
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2)
    amax = ptx::max_number(amax, ptx::shuffle_xor(amax, mask));
  if (x.thread % 32 == 0) store_float(smem + x.thread / 32 * 4, amax);
  ptx::barrier_sync(0, kThreads);
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp)
    amax = ptx::max_number(amax, load_float(smem + warp * 4));
  const float scale = scale_of(amax, p.power_of_two);
  if (x.thread == 0)
    p.scale[x.origin.row / kBlock * p.scale_row_stride +
            x.origin.col / kBlock * p.scale_col_stride] = scale;
#pragma unroll
  for (int pass = 0; pass < x.kPasses; ++pass) x.store(p, pass, scale);
}

/// x^T -> q: 64 rows of q (columns of x) by 128 of its columns (rows of x). A thread holds 8
/// neighbours along q's rows for 4 neighbours along its columns, so that it can put four codes of
/// one row of q into a word of shared memory; from there they leave row by row.
///
///            8 rows of q a thread, 8 threads
///   x   | t0       t1  ...  t7  |  4 rows of x a thread, 32 such groups
///       | t8  ...                |
template <Config kConfig>
FATHOM_DEVICE void cast_1x128_transposed(const Params& p, int cta, SmemAddr smem) {
  constexpr int kQRows = kConfig.tile_rows();
  constexpr int kAcross = kQRows / kVector;  // threads along q's rows
  constexpr int kDeep = 4;                   // columns of q a thread
  constexpr int kWarps = kThreads / 32;
  constexpr int kPitch = 33 * 4;  // bytes of a row of q in shared memory
  static_assert(kThreads / kAcross * kDeep == kBlock);
  const SmemAddr maxima = smem;  // [warp][row of q]
  const SmemAddr bytes = smem + kWarps * kQRows * 4;
  const TileOrigin origin = tile_origin<kConfig>(cta, p.cols);
  const int thread = ptx::thread_index();
  const int group = thread % kAcross;
  const int deep = thread / kAcross * kDeep;
  const int64_t row = origin.row + group * kVector;
  const int present = count_before(row, p.rows);
  float v[kDeep][kVector];
  float amax[kVector] = {};
#pragma unroll
  for (int d = 0; d < kDeep; ++d) {
    const int64_t col = origin.col + deep + d;
    load_vector<kConfig.element>(p.x, col * p.x_col_stride + row, col < p.cols ? present : 0,
                                 p.x_vectors, v[d]);
  }
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
#pragma unroll
    for (int d = 0; d < kDeep; ++d) amax[j] = ptx::max_number(amax[j], ptx::absolute(v[d][j]));
#pragma unroll
    for (int mask = kAcross; mask < 32;
         mask *= 2)  // the lanes of a warp that share these rows of q
      amax[j] = ptx::max_number(amax[j], ptx::shuffle_xor(amax[j], mask));
    if (thread % 32 < kAcross)
      store_float(maxima + (thread / 32 * kQRows + group * kVector + j) * 4, amax[j]);
  }
  ptx::barrier_sync(0, kThreads);
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
    const int q_row = group * kVector + j;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp)
      amax[j] = ptx::max_number(amax[j], load_float(maxima + (warp * kQRows + q_row) * 4));
    const float scale = scale_of(amax[j], p.power_of_two);
    if (deep == 0 && j < present)
      p.scale[(row + j) * p.scale_row_stride + origin.col / kBlock * p.scale_col_stride] = scale;
    const uint32_t codes = codes_of(v[0][j], v[1][j], scale) | codes_of(v[2][j], v[3][j], scale)
                                                                   << 16;
    ptx::store_shared_u32(bytes + q_row * kPitch + deep, codes);
  }
  ptx::barrier_sync(0, kThreads);
  // A warp writes one row of q at a time, four codes a lane.
  const int lane = thread % 32;
  const int64_t col = origin.col + lane * 4;
  for (int q_row = thread / 32; q_row < kQRows; q_row += kWarps) {
    if (origin.row + q_row >= p.rows) break;
    const uint32_t codes = ptx::load_shared_u32(bytes + q_row * kPitch + lane * 4);
    uint8_t* to = static_cast<uint8_t*>(p.q) + (origin.row + q_row) * p.q_pitch + col;
    if (p.q_vectors && col + 4 <= p.cols) {
      ptx::store_global_u32(to, codes);
    } else {
      for (int j = 0; j < 4; ++j)
        if (col + j < p.cols) ptx::store_global_u8(to + j, codes >> (8 * j) & 0xffu);
    }
  }
}

}  // namespace fathom::device::quantize
