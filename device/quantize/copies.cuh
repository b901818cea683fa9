// The way back, and scales in another order. Device layer of the quantize family.
#pragma once

#include "ptx/barrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "quantize/elements.cuh"

namespace fathom::device::quantize {

/// x = q * scale, rounded to x's type. Not on a hot path: one element a thread and step, x by its
/// strides.
template <Config kConfig>
FATHOM_DEVICE void dequantize(const Params& p, int cta) {
  constexpr int kRowsPerPass = kThreads / kBlock;
  const TileOrigin origin = tile_origin<kConfig>(cta, p.cols);
  const int thread = ptx::thread_index();
  const int64_t col = origin.col + thread % kBlock;
  if (col >= p.cols) return;
  for (int pass = thread / kBlock; pass < kConfig.tile_rows(); pass += kRowsPerPass) {
    const int64_t row = origin.row + pass;
    if (row >= p.rows) return;
    const uint32_t code =
        ptx::load_global_u8(static_cast<const uint8_t*>(p.q) + row * p.q_pitch + col);
    const float scale = load_scale(p.scale + row / p.rows_per_scale * p.scale_row_stride +
                                   col / kBlock * p.scale_col_stride);
    const float value = ptx::multiply(ptx::float_of_fp16(ptx::fp16_of_e4m3(code)), scale);
    const int64_t i = row * p.x_row_stride + col * p.x_col_stride;
    if constexpr (kConfig.element == Element::kFp32)
      ptx::store_global_u32(static_cast<uint32_t*>(p.x) + i, ptx::bits_of_float(value));
    else
      ptx::store_global_u16(static_cast<uint16_t*>(p.x) + i, ptx::pack_bf16(value, 0.0f));
  }
}

/// Scales from one order to another through a tile of 32 x 32 in shared memory. Lanes run along the
/// contiguous side, on reading and on writing.
template <Config kConfig>
FATHOM_DEVICE void copy_scales(const Params& p, int cta, SmemAddr smem) {
  constexpr int kWarps = kThreads / 32;
  constexpr int kSide = kConfig.tile_rows();
  constexpr Config kFolded = kConfig;  // NVRTC reads kConfig itself from global memory
  const int tiles = static_cast<int>(tiles_of(kFolded, p.rows, p.cols));
  const int plane = cta / tiles;
  const TileOrigin origin = tile_origin<kConfig>(cta - plane * tiles, p.cols);
  const float* from = p.scale_from + plane * p.from_plane_stride;
  float* to = p.scale + plane * p.scale_plane_stride;
  const int lane = ptx::thread_index() % 32;
  const int warp = ptx::thread_index() / 32;
  const bool reads_down = p.from_row_stride < p.from_col_stride;
  for (int step = warp; step < kSide; step += kWarps) {
    const int row = reads_down ? lane : step;
    const int col = reads_down ? step : lane;
    if (origin.row + row < p.rows && origin.col + col < p.cols)
      store_float(smem + (row * 33 + col) * 4,
                  load_scale(from + (origin.row + row) * p.from_row_stride +
                             (origin.col + col) * p.from_col_stride));
  }
  ptx::barrier_sync(0, kThreads);
  const bool writes_down = p.scale_row_stride < p.scale_col_stride;
  for (int step = warp; step < kSide; step += kWarps) {
    const int row = writes_down ? lane : step;
    const int col = writes_down ? step : lane;
    if (origin.row + row < p.rows && origin.col + col < p.cols)
      to[(origin.row + row) * p.scale_row_stride + (origin.col + col) * p.scale_col_stride] =
          load_float(smem + (row * 33 + col) * 4);
  }
}

}  // namespace fathom::device::quantize
