// What changes per launch: pointers, sizes, strides, tile order, tensor maps; and the one place
// that says which tensor maps the kernel expects. Contract layer: host binder, emulator and kernel
// share it; includes only the contract and base/.
#pragma once

#include "base/address.hpp"
#include "base/math.hpp"
#include "gemm/config.hpp"
#include "gemm/groups.hpp"
#include "gemm/schedule.hpp"
#include "sync/wait_report.hpp"

namespace fathom::device::gemm {

using fathom::TensorMap;

/// Scales that lie anywhere: element (i, k block) at data[i * stride + block * k_stride]. i counts
/// rows of A, or 128-row blocks (k128x128) or rows (k1x128) of B. Strides are 64-bit; `count` is
/// the number of i. Grouped: those of group g lie g * group_stride further on.
struct ScaleView {
  const float* data = nullptr;
  int64_t stride = 0;
  int64_t k_stride = 0;
  int64_t group_stride = 0;
  int32_t group_blocks = 0;  ///< by TMA: group_stride in steps of k_stride
  int32_t count = 0;
  /// Nonzero: fetched by TMA (unit stride along i, pitch and base multiples of 16 bytes); 0:
  /// gathered by the loading warps.
  int32_t by_tma = 0;
};

/// The kernel's one argument: const __grid_constant__ Params (PTX ISA: tensor maps must lie in
/// param, const or global space).
struct Params {
  TensorMap a, b, b_strip, scale_a, scale_b, d;
  TensorMap a_tail, b_tail;  ///< the same operands in boxes for the last tiles, see tail_rows
  ScaleView scales_of_a, scales_of_b;
  void* d_data = nullptr;  ///< what TMA does not store goes through this
  int64_t d_pitch = 0;     ///< elements
  Schedule schedule;
  int32_t n = 0;
  int32_t d_tma_cols = 0;  ///< columns of D that TMA stores, see tma_cols
  int32_t k_blocks = 0;    ///< ceil(k / 128), at least 1
  int32_t accumulate = 0;  ///< nonzero: D += (output kFp32 only)
  /// Nonzero: no earlier kernel of the stream writes B, so that its first boxes are brought into L2
  /// before the wait for that kernel (programmatic dependent launch).
  int32_t weights_constant = 0;
  // Rows in one box. Rows of a tile that no box fetches are never written, multiplied as they lie,
  // and not stored.
  int32_t a_box_rows = 0;   ///< of A
  int32_t a_tail_rows = 0;  ///< of a_tail; 0 = there is none
  int32_t b_box_rows = 0;   ///< the same of B
  int32_t b_tail_rows = 0;
  /// Scales of A in one box for a block of k: min(block_m, m rounded up to 4) unless grouped. TMA
  /// takes a clock for every element of a box that lies outside its tensor, and meanwhile no loads.
  int32_t scale_a_rows = 0;
  // Grouped. Seen by TMA, B is one matrix in which group g starts at row g * b_group_rows; A and D
  // of the masked form likewise (otherwise their group_rows are 0).
  GroupIndex groups;
  int32_t a_group_rows = 0;
  int32_t b_group_rows = 0;
  int32_t d_group_rows = 0;
  int32_t zero_padding = 0;  ///< nonzero, kRowGroup: rows of nobody are stored as zeros
  uint64_t a_policy = 0;  ///< L2 eviction policy words of the loads (createpolicy), see CachePolicy
  uint64_t b_policy = 0;
  sync::WaitReport* wait_report = nullptr;  ///< bounded_waits: pinned host memory, may be null
};

/// createpolicy.fractional words with fraction 1, as the assembler folds them (PTX ISA,
/// createpolicy). Weights that one cluster reads once go evict-first; never evict-last (such lines
/// survive an L2 flush and falsify benchmarks).
enum class CachePolicy : uint64_t {
  kNormal = 0x1000000000000000,
  kEvictFirst = 0x12F0000000000000,
};

/// What a grouped problem adds to Sizes. Strides of the group dimension in elements; those of a, d
/// and scale_a count for kMasked only.
struct Grouping {
  GroupForm form = GroupForm::kNone;
  int64_t num_groups = 1;
  int64_t alignment = 1;      ///< kRowGroup, kGroupEnd: 16 to 256
  int64_t expected_rows = 0;  ///< of a group, a hint: 0 = unknown
  bool index_is_int64 = false;
  bool zero_padding = false;  ///< kRowGroup only
  int64_t a_stride = 0, b_stride = 0, d_stride = 0;
  int64_t scale_a_stride = 0, scale_b_stride = 0;

  FATHOM_HD constexpr bool masked() const { return form == GroupForm::kMasked; }
  /// Matrices [m, k] that A consists of.
  FATHOM_HD constexpr int64_t a_planes() const { return masked() ? num_groups : 1; }
};

/// Sizes and strides of a problem, in elements.
struct Sizes {
  int64_t m = 0, n = 0, k = 0;  ///< masked: m = max_m
  int64_t a_pitch = 0, b_pitch = 0, d_pitch = 0;
  int64_t scale_a_stride = 1, scale_a_k_stride = 0;  ///< of a row, of a block of k
  int64_t scale_b_stride = 0,
          scale_b_k_stride = 1;  ///< of a 128-row block (or a row, k1x128), of a block of k
  Grouping groups = {};

  FATHOM_HD constexpr int64_t k_blocks() const { return ceil_div<int64_t>(k, kBlockK); }
};

inline constexpr int64_t kMaxExtent = 2147483647;

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
/// at the element (seen on an H200). The ragged rest of a row is stored by threads.
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

/// why_unfit for what Grouping adds.
FATHOM_HD constexpr const char* why_unfit_groups(const Config& c, const Sizes& s) {
  const Grouping& g = s.groups;
  if (c.grouped != (g.form != GroupForm::kNone))
    return c.grouped ? "it computes groups, and there are none" : "it computes no groups";
  if (!c.grouped) return nullptr;
  if (g.num_groups < 1 || g.num_groups > kMaxExtent - 512)
    return "the number of groups must be 1 to 2^31 - 513";
  if (g.num_groups > 1 && g.b_stride % s.b_pitch != 0)
    return "groups of b must lie a multiple of b's row pitch apart";
  if (g.masked() && g.num_groups > 1 &&
      (g.a_stride % s.a_pitch != 0 || g.d_stride % s.d_pitch != 0))
    return "groups of a and d must lie a multiple of their row pitch apart";
  if (flat_rows(g.num_groups, s.n, g.b_stride, s.b_pitch) > kMaxExtent - 512 ||
      flat_rows(g.a_planes(), s.m, g.a_stride, s.a_pitch) > kMaxExtent - 512 ||
      flat_rows(g.a_planes(), s.m, g.d_stride, s.d_pitch) > kMaxExtent - 512)
    return "all groups together have more than 2^31 - 513 rows (TMA coordinates are 32-bit)";
  const int64_t entries =
      g.form == GroupForm::kRowGroup ? ceil_div(s.m, g.alignment) : g.num_groups;
  const int64_t tiles_m = most_grouped_tiles_m(g.form, s.m, g.num_groups, entries, c.block_m);
  if (tiles_m * ceil_div<int64_t>(s.n, c.block_n) > kMaxExtent / 2)
    return "more tiles than a 32-bit step counter holds";
  return nullptr;
}

/// Why this config cannot run these sizes; nullptr when it can. m, n, k >= 1 (empty problems never
/// reach a kernel).
FATHOM_HD constexpr const char* why_unfit(const Config& c, const Sizes& s) {
  if (s.m < 1 || s.n < 1 || s.k < 1) return "m, n and k must be at least 1";
  if (s.m > kMaxExtent - 512 || s.n > kMaxExtent - 512 || s.k > kMaxExtent - 512)
    return "an extent exceeds 2^31 - 513 (TMA coordinates are 32-bit)";
  if (c.stream() && k_blocks_per_cta(c, s.k_blocks()) > c.max_k_blocks)
    return "k has more blocks per CTA than the scale table of this config holds";
  if (ceil_div<int64_t>(s.m, c.block_m) * ceil_div<int64_t>(s.n, c.block_n) > kMaxExtent / 2)
    return "more tiles than a 32-bit step counter holds";
  const int64_t tiled = tiled_cols(c, s.n);
  if (c.strip_n > 0 && (s.n == tiled || (s.n - tiled) * c.block_n > tiled * c.strip_n))
    return "the columns past whole tiles must be some, and no more than the tiles' strips hold";
  if (c.strip_n > 0 && tiled % (c.block_n * c.cluster_n) != 0)
    return "a pair without its second tile would compute strips twice";
  return why_unfit_groups(c, s);
}

/// Tensors of a launch. Maps are encoded by the caller from describe_tensor_maps.
struct Pointers {
  const float* scale_a = nullptr;
  const float* scale_b = nullptr;
  void* d = nullptr;
  const void* group_index = nullptr;  ///< grouped: the metadata, see GroupForm
};

struct LaunchShape {
  int32_t grid = 0;
  int32_t block = 0;
  int32_t cluster = 0;  ///< CTAs of a cluster, along x
  int32_t smem_bytes = 0;
};

/// Grid for at most `max_ctas` CTAs (SM budget * ctas_per_sm): whole clusters, no more than there
/// are units, at least one.
FATHOM_HD constexpr LaunchShape launch_shape(const Config& c, const Schedule& s, int64_t max_ctas,
                                             int32_t smem_bytes) {
  const int64_t room = max_of<int64_t>(1, max_ctas / c.cluster_size());
  const int64_t clusters = min_of<int64_t>(room, s.num_units());
  return {static_cast<int32_t>(clusters * c.cluster_size()), c.num_threads(), c.cluster_size(),
          smem_bytes};
}

inline bool aligned_16(const void* pointer) {
  return (reinterpret_cast<uint64_t>(pointer) & 15) == 0;
}

/// Whether one cluster alone reads each weight, as far as is known.
FATHOM_HD constexpr bool reads_weights_once(const Config& c, const Sizes& s) {
  if (c.stream()) return true;
  if (!c.grouped) return false;
  const Grouping& g = s.groups;
  const int64_t rows = g.expected_rows > 0 ? g.expected_rows : g.masked() ? s.m : kMaxExtent;
  return rows <= c.block_m * c.cluster_m;
}

/// Weights of groups that are loaded evict-first: they leave dirty lines alone, which the writes of
/// the kernel before left in L2. Against that, evict-first streams 1 to 4 % slower: it wins up to
/// 9 % below 180 MB of weights and loses from 300 on (an H200, bench/journal.md).
inline constexpr int64_t kMostEvictFirstBytes = 300'000'000;

FATHOM_HD constexpr bool evicts_weights_first(const Config& c, const Sizes& s) {
  if (c.stream()) return true;
  const Grouping& g = s.groups;
  const int64_t groups = g.masked() ? g.num_groups : min_of(g.num_groups, s.m);
  return reads_weights_once(c, s) && groups * s.n <= kMostEvictFirstBytes / max_of<int64_t>(s.k, 1);
}

FATHOM_HD constexpr GroupIndex make_group_index(const Sizes& s, const void* data) {
  const Grouping& g = s.groups;
  return {data,
          g.form,
          g.index_is_int64 ? 1 : 0,
          static_cast<int32_t>(g.num_groups),
          static_cast<int32_t>(s.m),
          static_cast<int32_t>(g.alignment)};
}

inline void set_groups(const Config& c, const Sizes& s, const Pointers& p, int band_tiles,
                       Params& params) {
  const Grouping& g = s.groups;
  params.groups = make_group_index(s, p.group_index);
  params.schedule = make_grouped_schedule(c, params.groups, s.n, band_tiles);
  params.zero_padding = g.zero_padding && g.form == GroupForm::kRowGroup ? 1 : 0;
  params.b_group_rows = static_cast<int32_t>(g.b_stride / s.b_pitch);
  params.scales_of_b.group_stride = g.scale_b_stride;
  if (params.scales_of_b.by_tma != 0 && g.num_groups > 1)
    params.scales_of_b.group_blocks = static_cast<int32_t>(g.scale_b_stride / s.scale_b_k_stride);
  if (!g.masked()) return;
  params.a_group_rows = static_cast<int32_t>(g.a_stride / s.a_pitch);
  params.d_group_rows = static_cast<int32_t>(g.d_stride / s.d_pitch);
  params.scales_of_a.group_stride = g.scale_a_stride;
  if (params.scales_of_a.by_tma != 0 && g.num_groups > 1)
    params.scales_of_a.group_blocks = static_cast<int32_t>(g.scale_a_stride / s.scale_a_k_stride);
}

/// Everything of Params but the bytes of the tensor maps.
/// `band_tiles`: tiles along m that are walked together (Schedule::band_m); 8 is within 1 % of the
/// best everywhere measured.
inline Params make_params(const Config& c, const Sizes& s, const Pointers& p, bool accumulate,
                          int band_tiles = 8, bool weights_constant = false) {
  Params params{};
  params.scales_of_a = {.data = p.scale_a,
                        .stride = s.scale_a_stride,
                        .k_stride = s.scale_a_k_stride,
                        .count = static_cast<int32_t>(s.m),
                        .by_tma = scales_of_a_fit_tma(s) && aligned_16(p.scale_a)};
  const bool per_row = c.scale_b == ScaleB::k1x128;
  params.scales_of_b = {.data = p.scale_b,
                        .stride = s.scale_b_stride,
                        .k_stride = s.scale_b_k_stride,
                        .count = static_cast<int32_t>(per_row ? s.n : ceil_div<int64_t>(s.n, 128)),
                        .by_tma = scales_of_b_fit_tma(c, s) && aligned_16(p.scale_b)};
  params.d_data = p.d;
  params.d_pitch = s.d_pitch;
  params.schedule = make_dense_schedule(c, s.m, s.n, band_tiles);
  if (c.grouped) set_groups(c, s, p, band_tiles, params);
  params.n = static_cast<int32_t>(s.n);
  params.d_tma_cols = tma_cols(c, s.n);
  params.k_blocks = static_cast<int32_t>(s.k_blocks());
  params.accumulate = accumulate ? 1 : 0;
  params.weights_constant = weights_constant ? 1 : 0;
  params.a_box_rows = a_box_rows(c, s.m);
  params.a_tail_rows = a_tail_rows(c, s.m);
  params.b_box_rows = b_box_rows(c, s.n);
  params.b_tail_rows = b_tail_rows(c, s.n);
  params.scale_a_rows = scale_a_rows(c, s.m);
  // Weights read by one cluster only, or by few: first to go, so that dirty lines and tokens stay
  // (3 to 9 % at m <= 128 and in small groups).
  params.a_policy = static_cast<uint64_t>(CachePolicy::kNormal);
  params.b_policy = static_cast<uint64_t>(evicts_weights_first(c, s) ? CachePolicy::kEvictFirst
                                                                     : CachePolicy::kNormal);
  return params;
}

}  // namespace fathom::device::gemm
