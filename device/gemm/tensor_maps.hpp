// The one place that says which tensor maps the kernel expects of a problem, and how high their
// boxes are. Contract layer: host binder, emulator and tests share it; includes only the contract
// and base/.
#pragma once

#include "base/math.hpp"
#include "gemm/config.hpp"
#include "gemm/sizes.hpp"

namespace fathom::device::gemm {

/// Whether TMA can fetch these scales: unit stride along rows, pitch a multiple of 16 bytes. The
/// base must be 16-byte aligned too, which only the binder can see. `planes` groups must lie whole
/// steps of k apart: they are further rows of the same matrix.
FATHOM_HD constexpr bool scales_fit_tma(int64_t stride, int64_t k_stride, int64_t planes,
                                        int64_t group_stride) {
  if (stride != 1 || k_stride % 4 != 0) return false;
  if (planes == 1 || group_stride == 0) return true;
  return k_stride > 0 && group_stride % k_stride == 0 &&
         planes * (group_stride / k_stride) <= kMaxExtent - 512;
}
FATHOM_HD constexpr bool scales_of_a_fit_tma(const Sizes& s) {
  return scales_fit_tma(s.scale_a_stride, s.scale_a_k_stride, s.groups.a_planes(),
                        s.groups.scale_a_stride);
}
FATHOM_HD constexpr bool scales_of_b_fit_tma(const Config& c, const Sizes& s) {
  return c.scale_b == ScaleB::k1x128 &&
         scales_fit_tma(s.scale_b_stride, s.scale_b_k_stride, c.grouped ? s.groups.num_groups : 1,
                        s.groups.scale_b_stride);
}

/// Rows of the matrix that `planes` matrices of `rows` rows are to TMA, `stride` elements apart.
FATHOM_HD constexpr int64_t flat_rows(int64_t planes, int64_t rows, int64_t stride, int64_t pitch) {
  return planes > 1 ? (planes - 1) * (stride / pitch) + rows : rows;
}

enum class MapElement { kU8, kFp32, kBf16 };
enum class MapSwizzle { kNone, k32, k64, k128 };

/// Arguments of one cuTensorMapEncodeTiled call: rank 2, element strides 1, no interleave,
/// out-of-range elements read as zero, L2 promotion 256 B for operands (the neighbour line is the
/// next block of k) and none for the rest.
struct TensorMapSpec {
  bool used = false;
  MapElement element = MapElement::kU8;
  int64_t dims[2] = {0, 0};  ///< [0] contiguous
  int64_t pitch_bytes = 0;   ///< stride of dims[1]
  int32_t box[2] = {0, 0};
  MapSwizzle swizzle = MapSwizzle::kNone;
  bool promote_256b = false;
};

struct TensorMapSpecs {
  TensorMapSpec a, b, b_strip, scale_a, scale_b, d, a_tail, b_tail;
};

FATHOM_HD constexpr MapSwizzle swizzle_of_row_bytes(int bytes) {
  return bytes == 128  ? MapSwizzle::k128
         : bytes == 64 ? MapSwizzle::k64
         : bytes == 32 ? MapSwizzle::k32
                       : MapSwizzle::kNone;
}

/// Rows of one TMA box that fetches up to `tile_rows` of `rows` rows. Each CTA of a multicast pair
/// (`sharers` = 2) loads half of them, in whole swizzle groups of 8.
FATHOM_HD constexpr int32_t box_rows(int tile_rows, int sharers, int64_t rows) {
  const int64_t whole = sharers > 1 ? round_up<int64_t>(rows, 8 * sharers) : rows;
  const int64_t wanted = min_of<int64_t>(tile_rows, whole);
  return static_cast<int32_t>(wanted / sharers);
}

/// Rows of the box for the last tile along an operand, where that has fewer than the others; 0
/// where it has not. TMA takes some 14 clocks for a row of a box that lies outside its tensor, and
/// loads nothing meanwhile (H200; bench/journal.md).
FATHOM_HD constexpr int32_t tail_rows(int tile_rows, int sharers, int64_t rows) {
  if (rows < tile_rows || rows % tile_rows == 0) return 0;
  const int32_t tail = box_rows(tile_rows, sharers, rows % tile_rows);
  return tail < tile_rows / sharers ? tail : 0;
}

/// Rows of A and of B in one TMA box. After a group's rows come others: those boxes are whole.
FATHOM_HD constexpr int32_t a_box_rows(const Config& c, int64_t m) {
  return box_rows(c.block_m, c.cluster_n, c.grouped ? c.block_m : m);
}
FATHOM_HD constexpr int32_t a_tail_rows(const Config& c, int64_t m) {
  return c.grouped ? 0 : tail_rows(c.block_m, c.cluster_n, m);
}
FATHOM_HD constexpr int32_t b_box_rows(const Config& c, int64_t n) {
  return box_rows(c.block_n, c.cluster_m, c.grouped ? c.block_n : n);
}
FATHOM_HD constexpr int32_t b_tail_rows(const Config& c, int64_t n) {
  // Columns past whole tiles are strips, where there are any.
  return c.grouped || c.strip_n > 0 ? 0 : tail_rows(c.block_n, c.cluster_m, n);
}

/// Scales of A in a row of one TMA box (whole 16 bytes).
FATHOM_HD constexpr int32_t scale_a_rows(const Config& c, int64_t m) {
  if (c.grouped) return c.block_m;
  return static_cast<int32_t>(min_of<int64_t>(c.block_m, round_up<int64_t>(m, 4)));
}

/// The largest number of k blocks that one CTA takes.
FATHOM_HD constexpr int32_t k_blocks_per_cta(const Config& c, int64_t k_blocks) {
  return static_cast<int32_t>(ceil_div<int64_t>(k_blocks, c.split_k));
}

/// Columns of D that TMA stores: whole 16-byte chunks, because hardware clips a store there and not
/// at the element (seen on an H200); 16-byte stores of lanes (row_store.cuh) end there too. The
/// ragged rest of a row is stored element by element.
FATHOM_HD constexpr int32_t tma_cols(const Config& c, int64_t n) {
  return static_cast<int32_t>(round_down<int64_t>(n, 16 / c.d_bytes()));
}

/// The tensor maps of a launch. In shared memory the rows of a box lie 128 bytes apart (A, B), or
/// as far as a chunk of D is wide. Groups are further rows of the same matrix: of B and its scales,
/// and in the masked form of A, its scales and D.
///
///   map      tensor        type          box                            swizzle   used
///   a        [m, k]        u8 (e4m3)     [a_box_rows, 128]              128       always
///   b        [n, k]        u8 (e4m3)     [b_box_rows, 128]              128       always
///   b_strip  [n, k]        u8 (e4m3)     [strip_n, 128]                 128       strip_n > 0
///   a_tail   [m, k]        u8 (e4m3)     [a_tail_rows, 128]             128       a_tail_rows > 0
///   b_tail   [n, k]        u8 (e4m3)     [b_tail_rows, 128]             128       b_tail_rows > 0
///   scale_a  [K', m]       fp32          [1 | k_blocks_per_cta, scale_a_rows]  none scales_fit_tma
///   scale_b  [K', n]       fp32          [1, block_n]                   none      k1x128, and fit
///   d        [m, tma_cols] bf16 | fp32   [d_rows, d_chunk_cols]         row       tma_store()
FATHOM_HD constexpr TensorMapSpecs describe_tensor_maps(const Config& c, const Sizes& s) {
  TensorMapSpecs maps;
  const Grouping& g = s.groups;
  const int64_t b_planes = c.grouped ? g.num_groups : 1;
  maps.a = {true,
            MapElement::kU8,
            {s.k, flat_rows(g.a_planes(), s.m, g.a_stride, s.a_pitch)},
            s.a_pitch,
            {kBlockK, a_box_rows(c, s.m)},
            MapSwizzle::k128,
            true};
  maps.b = {true,
            MapElement::kU8,
            {s.k, flat_rows(b_planes, s.n, g.b_stride, s.b_pitch)},
            s.b_pitch,
            {kBlockK, b_box_rows(c, s.n)},
            MapSwizzle::k128,
            true};
  if (c.strip_n > 0) {
    maps.b_strip = maps.b;
    maps.b_strip.box[1] = c.strip_n;
  }
  maps.a_tail = maps.a;
  maps.a_tail.box[1] = a_tail_rows(c, s.m);
  maps.a_tail.used = maps.a_tail.box[1] > 0;
  maps.b_tail = maps.b;
  maps.b_tail.box[1] = b_tail_rows(c, s.n);
  maps.b_tail.used = maps.b_tail.box[1] > 0;
  if (scales_of_a_fit_tma(s)) {
    maps.scale_a = {
        true,
        MapElement::kFp32,
        {s.m, flat_rows(g.a_planes(), s.k_blocks(), g.scale_a_stride, s.scale_a_k_stride)},
        s.scale_a_k_stride * 4,
        {scale_a_rows(c, s.m), c.stream() ? k_blocks_per_cta(c, s.k_blocks()) : 1},
        MapSwizzle::kNone,
        false};
  }
  if (scales_of_b_fit_tma(c, s)) {
    maps.scale_b = {true,
                    MapElement::kFp32,
                    {s.n, flat_rows(b_planes, s.k_blocks(), g.scale_b_stride, s.scale_b_k_stride)},
                    s.scale_b_k_stride * 4,
                    {c.block_n, 1},
                    MapSwizzle::kNone,
                    false};
  }
  if (c.tma_store() && tma_cols(c, s.n) > 0) {
    maps.d = {true,
              c.output == Output::kBf16 ? MapElement::kBf16 : MapElement::kFp32,
              {tma_cols(c, s.n), flat_rows(g.a_planes(), s.m, g.d_stride, s.d_pitch)},
              s.d_pitch * c.d_bytes(),
              {c.d_chunk_cols(), c.d_rows()},
              swizzle_of_row_bytes(c.d_chunk_cols() * c.d_bytes()),
              false};
  }
  return maps;
}

}  // namespace fathom::device::gemm
