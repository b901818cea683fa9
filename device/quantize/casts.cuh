// The casts: x -> q and scales, a CTA per tile of q. Device layer of the quantize family.
#pragma once

#include "ptx/barrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "quantize/elements.cuh"

namespace fathom::device::quantize {

/// A block of 128 columns is 16 threads of 8 columns each; a CTA takes 64 rows in four passes of
/// 16, all loads first, so that each thread has 64 bytes and more in flight.
template <Config kConfig>
FATHOM_DEVICE void cast_1x128(const Params& p, int cta) {
  constexpr int kAcross = kBlock / kVector;
  constexpr int kRowsPerPass = kThreads / kAcross;
  constexpr int kPasses = kConfig.tile_rows() / kRowsPerPass;
  const TileOrigin origin = tile_origin<kConfig>(cta, p.cols);
  const int thread = ptx::thread_index();
  const int64_t col = origin.col + thread % kAcross * kVector;
  const int64_t first_row = origin.row + thread / kAcross;
  const int present = count_before(col, p.cols);
  float v[kPasses][kVector];
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t row = first_row + pass * kRowsPerPass;
    load_vector<kConfig.element>(p.x, row * p.x_row_stride + col, row < p.rows ? present : 0,
                                 p.x_vectors, v[pass]);
  }
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t row = first_row + pass * kRowsPerPass;
    float amax = largest_magnitude(0.0f, v[pass]);
#pragma unroll
    for (int mask = kAcross / 2; mask > 0; mask /= 2)
      amax = ptx::max_number(amax, ptx::shuffle_xor(amax, mask));
    if (row >= p.rows) continue;
    const float scale = scale_of(amax, p.power_of_two);
    if (thread % kAcross == 0)
      p.scale[row * p.scale_row_stride + origin.col / kBlock * p.scale_col_stride] = scale;
    store_codes(p.q, row * p.q_pitch + col, present, p.q_vectors, codes_of(v[pass], scale));
  }
}

/// The whole 128 x 128 block lives in the registers of one CTA; warps agree on its maximum through
/// shared memory.
template <Config kConfig>
FATHOM_DEVICE void cast_128x128(const Params& p, int cta, SmemAddr smem) {
  constexpr int kAcross = kBlock / kVector;
  constexpr int kRowsPerPass = kThreads / kAcross;
  constexpr int kPasses = kBlock / kRowsPerPass;
  constexpr int kWarps = kThreads / 32;
  const TileOrigin origin = tile_origin<kConfig>(cta, p.cols);
  const int thread = ptx::thread_index();
  const int64_t col = origin.col + thread % kAcross * kVector;
  const int64_t first_row = origin.row + thread / kAcross;
  const int present = count_before(col, p.cols);
  float v[kPasses][kVector];
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t row = first_row + pass * kRowsPerPass;
    load_vector<kConfig.element>(p.x, row * p.x_row_stride + col, row < p.rows ? present : 0,
                                 p.x_vectors, v[pass]);
  }
  float amax = 0.0f;
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) amax = largest_magnitude(amax, v[pass]);
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2)
    amax = ptx::max_number(amax, ptx::shuffle_xor(amax, mask));
  if (thread % 32 == 0) store_float(smem + thread / 32 * 4, amax);
  ptx::barrier_sync(0, kThreads);
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp)
    amax = ptx::max_number(amax, load_float(smem + warp * 4));
  const float scale = scale_of(amax, p.power_of_two);
  if (thread == 0)
    p.scale[origin.row / kBlock * p.scale_row_stride + origin.col / kBlock * p.scale_col_stride] =
        scale;
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t row = first_row + pass * kRowsPerPass;
    if (row < p.rows)
      store_codes(p.q, row * p.q_pitch + col, present, p.q_vectors, codes_of(v[pass], scale));
  }
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
