// What changes per launch of a cast kernel. Contract layer: the host binder and the kernel share
// it; includes only the contract and base/.
#pragma once

#include "base/math.hpp"
#include "quantize/config.hpp"

namespace fathom::device::quantize {

/// Strides in elements. rows and cols are q's (kCopyScales: the scales').
struct Params {
  void* x = nullptr;         ///< read by casts, written by kDequantize
  int64_t x_row_stride = 0;  ///< from row to row of q's shape; the transposed forms have it 1
  int64_t x_col_stride = 1;
  void* q = nullptr;
  int64_t q_pitch = 0;
  float* scale = nullptr;  ///< kCopyScales: the copy, written
  int64_t scale_row_stride = 0;
  int64_t scale_col_stride = 0;
  const float* scale_from = nullptr;  ///< kCopyScales: the original
  int64_t from_row_stride = 0;
  int64_t from_col_stride = 0;
  int64_t scale_plane_stride = 0;  ///< kCopyScales: from group to group
  int64_t from_plane_stride = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  int32_t rows_per_scale = 1;  ///< kDequantize: 1 or 128
  int32_t power_of_two = 0;    ///< nonzero: scales are rounded up to powers of two
  int32_t x_vectors = 0;       ///< nonzero: base and pitch of x allow 16-byte accesses
  int32_t q_vectors = 0;       ///< nonzero: base and pitch of q allow 8-byte accesses
};

struct Launch {
  int64_t grid = 0;
  int32_t block = 0;
  int32_t smem_bytes = 0;
};

FATHOM_HD constexpr int64_t tiles_of(const Config& c, int64_t rows, int64_t cols) {
  return ceil_div<int64_t>(rows, c.tile_rows()) * ceil_div<int64_t>(cols, c.tile_cols());
}

/// One CTA per tile; tiles along cols are neighbours, planes (kCopyScales) follow each other.
FATHOM_HD constexpr Launch launch_of(const Config& c, int64_t rows, int64_t cols,
                                     int64_t planes = 1) {
  return {planes * tiles_of(c, rows, cols), c.num_threads(), c.smem_bytes()};
}

FATHOM_HD constexpr bool multiple_of(uint64_t address, int64_t pitch_bytes, int alignment) {
  return address % static_cast<uint64_t>(alignment) == 0 && pitch_bytes % alignment == 0;
}

/// Sets x_vectors and q_vectors from the rest.
inline void choose_vectors(const Config& c, Params& p) {
  const bool transposed = c.operation == Operation::kCast1x128Transposed;
  const int64_t x_pitch = (transposed ? p.x_col_stride : p.x_row_stride) * c.element_bytes();
  const bool contiguous = (transposed ? p.x_row_stride : p.x_col_stride) == 1;
  p.x_vectors = contiguous && multiple_of(reinterpret_cast<uint64_t>(p.x), x_pitch, 16) ? 1 : 0;
  p.q_vectors = multiple_of(reinterpret_cast<uint64_t>(p.q), p.q_pitch, kVector) ? 1 : 0;
}

}  // namespace fathom::device::quantize
