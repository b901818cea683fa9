// The compile-time choices of one GEMM kernel, what follows from them, and which of them are legal.
// Contract layer: read by the planner (host) and by the kernel (constant expressions); includes
// only base/.
#pragma once

#include "base/math.hpp"
#include "base/types.hpp"

namespace fathom::device::gemm {

/// How the work of a tile is dealt to the math warpgroups.
///   kCompute  many rows: each warpgroup owns its share of the rows and walks all of k
///             (compute_kernel.cuh)
///   kStream   few rows: weights are read once; warpgroups, and the CTAs of a cluster, take parts
///             of k and add their sums through shared memory (stream_kernel.cuh)
///   kResident many rows, short k: 128 columns of B stay in shared memory for all of k, and each
///             warpgroup walks down them by itself, tile by tile (resident_kernel.cuh)
enum class Skeleton { kCompute, kStream, kResident };

/// Type of D. kFp32 serves both D = AB and D += AB: `Params::accumulate` says which, per launch.
enum class Output { kBf16, kFp32 };

/// Shape of the blocks that share one scale of B.
enum class ScaleB { k128x128, k1x128 };

inline constexpr int kBlockK = 128;  // of k per scale, and per promotion (the operation's contract)
inline constexpr int kWgmmaK = 32;   // k of one e4m3 wgmma (PTX ISA, wgmma shapes)
inline constexpr int kWgmmaM = 64;   // rows of one wgmma
inline constexpr int kWarpgroupThreads = 128;
inline constexpr int kSmRegisters = 65536;      // 32-bit registers of an SM (sm_90)
inline constexpr int kSmSharedBytes = 233472;   // 228 KB an SM; a resident CTA takes 1 KB extra
inline constexpr int kCtaSharedBytes = 232448;  // 227 KB: the most one CTA may ask for (sm_90)
inline constexpr int kMaxStages = 16;

struct Config {
  Skeleton skeleton = Skeleton::kCompute;
  int block_m = 128;        ///< rows of D per CTA tile
  int block_n = 128;        ///< columns of D per CTA tile; a multiple of 8
  int strip_n = 0;          ///< kCompute: beside them, a strip of n's last columns (strip_col)
  int num_stages = 4;       ///< slots of the full/empty ring, one block of k each; kResident: k has
                            ///< no more blocks
  int math_warpgroups = 2;  ///< warpgroups that multiply; one more warpgroup loads
  int cluster_m = 1;        ///< kCompute, 2: CTA pairs along m share B, which is multicast
  int cluster_n = 1;        ///< kCompute, 2: CTA pairs along n share A, which is multicast
  int split_k = 1;          ///< kStream: CTAs of a cluster that share one tile's k range
  int ctas_per_sm = 1;      ///< resident CTAs the kernel is compiled for
  int max_k_blocks = 0;     ///< kStream: blocks of k per CTA that the scale tables hold
  int staging_chunks = 1;   ///< TMA store: D buffers of each who stages, see d_warps and d_rows
  Output output = Output::kBf16;
  ScaleB scale_b = ScaleB::k128x128;
  bool grouped = false;     ///< kCompute: rows belong to groups, each with its own B (groups.hpp)
  bool whole_laps = false;  ///< kCompute: k fills whole laps of the ring (walk_ring_laps)
  bool swap_operands = false;  ///< kCompute: B on wgmma's 64-row side, few rows of A on its n side
  bool bounded_waits = false;  ///< debug: waits on barriers give up, name the barrier and trap

  constexpr bool operator==(const Config&) const = default;

  FATHOM_HD constexpr bool stream() const { return skeleton == Skeleton::kStream; }
  FATHOM_HD constexpr bool resident() const { return skeleton == Skeleton::kResident; }
  FATHOM_HD constexpr int num_threads() const { return (math_warpgroups + 1) * kWarpgroupThreads; }
  FATHOM_HD constexpr int cluster_size() const { return cluster_m * cluster_n * split_k; }

  /// Rows of the operand on wgmma's 64-row side, which are dealt to the warpgroups, and of the one
  /// on its n side. Without swap_operands: rows and columns of the tile.
  FATHOM_HD constexpr int left_rows() const { return swap_operands ? block_n : block_m; }
  FATHOM_HD constexpr int right_rows() const { return swap_operands ? block_m : tile_cols(); }
  FATHOM_HD constexpr int tile_cols() const { return block_n + strip_n; }
  /// m64 slices that one warpgroup multiplies one after the other against the same right operand.
  FATHOM_HD constexpr int waves() const {
    return stream() || resident() ? 1 : left_rows() / (kWgmmaM * math_warpgroups);
  }
  /// Rings of stages, and rows of A in one stage of all of them. kResident: each math warpgroup has
  /// a tile and a ring of its own.
  FATHOM_HD constexpr int rings() const { return resident() ? math_warpgroups : 1; }
  FATHOM_HD constexpr int stage_rows() const { return rings() * block_m; }
  /// kStream: warpgroups that take alternate blocks of k of the same rows.
  FATHOM_HD constexpr int k_warpgroups() const {
    return stream() ? math_warpgroups / (block_m / kWgmmaM) : 1;
  }
  /// Partial sums that are added up for one element of D.
  FATHOM_HD constexpr int k_parts() const { return split_k * k_warpgroups(); }

  FATHOM_HD constexpr int d_bytes() const { return output == Output::kBf16 ? 2 : 4; }
  /// Warps that stage and store D together. Two waves: each by itself, which saves it two barriers.
  /// kStream: likewise; everybody waits for its last sums. Else the four of a warpgroup: their
  /// wgmma waits for the last of them, and with three warpgroups, whose stores nothing hides,
  /// drifting apart costs 2 to 6 % (bench/journal.md).
  FATHOM_HD constexpr int d_warps() const {
    return stream() || (early_wait() && !swap_operands) ? 1 : 4;
  }
  /// What they have of D in one wave.
  FATHOM_HD constexpr int d_rows() const { return swap_operands ? block_m : 16 * d_warps(); }
  FATHOM_HD constexpr int d_cols() const { return swap_operands ? kWgmmaM : block_n; }
  /// Columns of D that are staged, and moved by one TMA store: the widest run that divides those
  /// and fills at most a 128-byte row.
  FATHOM_HD constexpr int d_chunk_cols() const { return gcd_of(d_cols(), 128 / d_bytes()); }
  FATHOM_HD constexpr int d_chunks() const { return d_cols() / d_chunk_cols(); }
  /// Chunks that a CTA stages at once.
  FATHOM_HD constexpr int staging_buffers() const {
    return math_warpgroups * 4 / d_warps() * staging_chunks;
  }
  /// Whether D is staged in shared memory, or, summed up from parts of k, leaves straight from
  /// registers.
  FATHOM_HD constexpr bool stages_d() const { return k_parts() == 1; }
  /// Whether TMA moves what is staged: not in the stream skeleton, where the next thing after the
  /// last sums is the kernel's end (bench/journal.md).
  FATHOM_HD constexpr bool tma_store() const { return !stream(); }

  /// Columns that certainly share one 128x128 scale of B: tiles start at multiples of block_n,
  /// scales at multiples of 128.
  FATHOM_HD constexpr int scale_b_run() const { return gcd_of(block_n, 128); }
  /// 128-column blocks of B that one tile can touch.
  FATHOM_HD constexpr int scale_b_blocks() const {
    return (128 - scale_b_run() + block_n + 127) / 128;
  }
  /// 128x128 scales of B per block of k and tile; that of the strip is the last.
  FATHOM_HD constexpr int block_scales() const { return scale_b_blocks() + (strip_n > 0 ? 1 : 0); }
  /// Scales of B per block of k and tile.
  FATHOM_HD constexpr int scale_b_elems() const {
    return scale_b == ScaleB::k1x128 ? block_n : block_scales();
  }

  /// 2 x 2 (two warpgroups, two waves) waits for the next stage under the running wgmma; with three
  /// warpgroups the others cover that latency and the early wait costs 1 to 5 % (kernel_probe
  /// measurements, bench/journal.md).
  FATHOM_HD constexpr bool early_wait() const { return !stream() && waves() > 1; }

  /// Two waves: D of a tile is staged and stored under the first wgmma of the next tile, each wave
  /// under its own. With one wave and three warpgroups the others cover the epilogue, and waiting
  /// for the next tile's operands first costs more than it hides (bench/journal.md). fp32 and the
  /// row by row stores of groups take registers that two waves do not leave.
  FATHOM_HD constexpr bool stores_late() const {
    return early_wait() && output == Output::kBf16 && !grouped;
  }

  // Registers. A CTA gets the same number per thread at launch; setmaxnreg then moves them between
  // the roles inside that pool, in steps of 8 between 24 and 256 (PTX ISA, setmaxnreg). Exceeding
  // the pool hangs.
  FATHOM_HD constexpr int launch_registers() const {
    return min_of(248, round_down(kSmRegisters / (ctas_per_sm * num_threads()), 8));
  }
  FATHOM_HD constexpr int math_registers() const {
    // What the loading threads keep at least. 32 make some spill; with two math warpgroups they are
    // left 40 anyway, and tiles of two waves of 128 columns have no more to give. With three, the
    // 152 that 56 leave are enough for tiles 128 wide.
    const int beside_plenty = math_registers_beside(56);
    const bool plenty = math_warpgroups == 3 || needed_registers() + 24 <= beside_plenty;
    return plenty ? beside_plenty : math_registers_beside(32);
  }
  FATHOM_HD constexpr int math_registers_beside(int loading) const {
    const int pool = launch_registers() * num_threads() - loading * kWarpgroupThreads;
    return min_of(240, round_down(pool / (math_warpgroups * kWarpgroupThreads), 8));
  }
  FATHOM_HD constexpr int load_registers() const {
    const int pool = (launch_registers() - math_registers()) * math_warpgroups + launch_registers();
    return min_of(launch_registers(), round_down(pool, 8));
  }
  /// Whether the roles differ at all: one math warpgroup alone on an SM has all it can use from the
  /// start.
  FATHOM_HD constexpr bool moves_registers() const { return math_registers() > launch_registers(); }
  /// kStream: blocks of k that a warpgroup multiplies in a row, each started before the one before
  /// it is promoted. Where ring and registers allow two, the blocks that arrive last, close
  /// together, cost one latency; three keep the tensor cores of wide tiles of 128 rows from waiting
  /// for each other's promotions: 2 to 9 % (more take registers; with factors selected for every 16
  /// columns three are slower than two; bench/journal.md).
  FATHOM_HD constexpr int blocks_in_a_row() const {
    if (!stream() || num_stages < 2 * k_warpgroups()) return 1;
    if (needed_registers() + block_n / 2 + 16 > math_registers()) return 1;
    return block_m > kWgmmaM && block_n > 64 && scale_b_run() >= 32 ? 3 : 2;
  }
  /// Registers a math thread needs: running sums, the temporary of one block of k, scales of
  /// columns, and 16 for the scales of rows and for addresses (as compiled by ptxas 13.0).
  FATHOM_HD constexpr int needed_registers() const {
    const bool per_column = scale_b == ScaleB::k1x128 || swap_operands;
    return (waves() + 1) * right_rows() / 2 + (per_column ? right_rows() / 4 : 0) + 16;
  }
};

/// why_illegal_shape for what the resident skeleton adds.
FATHOM_HD constexpr const char* why_illegal_resident(const Config& c) {
  if (c.block_m != kWgmmaM) return "a resident tile has 64 rows, those of one warpgroup";
  if (128 % c.block_n != 0) return "the columns of a resident tile must share one scale of B";
  if (c.math_warpgroups > 3)
    return "a resident CTA has at most 3 math warpgroups: of its four loading warps each has one, "
           "and the last loads B";
  if (c.cluster_size() != 1 || c.ctas_per_sm != 1 || c.max_k_blocks != 0)
    return "a resident CTA is alone, in its cluster and on its SM";
  if (c.grouped || c.swap_operands || c.strip_n != 0 || c.output != Output::kBf16 ||
      c.scale_b != ScaleB::k128x128)
    return "resident tiles are dense, bf16, with 128x128 scales of B, without strips";
  return nullptr;
}

/// Why no kernel can be made of this config; nullptr when it is legal. Shared memory is checked by
/// smem.hpp.
FATHOM_HD constexpr const char* why_illegal_shape(const Config& c) {
  if (c.block_n < 8 || c.block_n > 256 || c.block_n % 8 != 0)
    return "block_n must be a multiple of 8 from 8 to 256 (widths of wgmma)";
  if (c.num_stages < 2 || c.num_stages > kMaxStages) return "num_stages must be 2 to 16";
  if (c.math_warpgroups < 1 || c.math_warpgroups > 4) return "math_warpgroups must be 1 to 4";
  if (c.ctas_per_sm < 1 || c.ctas_per_sm > 4) return "ctas_per_sm must be 1 to 4";
  if (c.whole_laps && (c.skeleton != Skeleton::kCompute || c.waves() != 1))
    return "whole laps need compute tiles of one wave: those of two would spill";
  if (c.staging_chunks < 1 || c.d_chunks() % c.staging_chunks != 0)
    return "staging_chunks must divide the chunks of D in a tile row";
  if (c.stream()) {
    if (c.block_m != 64 && c.block_m != 128) return "a stream tile has 64 or 128 rows";
    if (c.math_warpgroups % (c.block_m / kWgmmaM) != 0)
      return "a stream tile needs a whole number of warpgroups per 64 rows";
    if (c.num_stages % c.k_warpgroups() != 0)
      return "warpgroups on alternate k blocks need a ring that is a multiple of their number "
             "(parity would alias)";
    if (c.cluster_m != 1 || c.cluster_n != 1)
      return "a stream cluster is split_k CTAs, nothing else";
    if (c.split_k < 1 || c.split_k > 8) return "split_k must be 1 to 8 (portable cluster size)";
    if (c.max_k_blocks < 1 || c.max_k_blocks > 256)
      return "max_k_blocks must be 1 to 256 (the scale table is one TMA box)";
    if (c.scale_b != ScaleB::k128x128) return "1x128 scales of B need the compute skeleton";
    if (c.grouped) return "groups need the compute skeleton";
    if (c.swap_operands) return "swapped operands need the compute skeleton";
    if (c.strip_n != 0) return "a strip needs the compute skeleton";
  } else if (c.resident()) {
    if (const char* reason = why_illegal_resident(c)) return reason;
  } else {
    if (c.waves() < 1 || c.waves() > 2 || c.left_rows() != c.waves() * kWgmmaM * c.math_warpgroups)
      return c.swap_operands ? "block_n must be 64 * math_warpgroups, once or twice"
                             : "block_m must be 64 * math_warpgroups, once or twice";
    if (c.block_m < 8 || c.block_m > 256 || c.block_m % 8 != 0)
      return "block_m must be a multiple of 8 from 8 to 256 (one TMA box)";
    if (c.swap_operands && c.block_m > kWarpgroupThreads)
      return "a tile of swapped operands has at most 128 rows";
    if (c.swap_operands && (c.output != Output::kBf16 || c.scale_b != ScaleB::k128x128))
      return "swapped operands need bf16 output and 128x128 scales of B";
    if (c.grouped && c.output != Output::kBf16) return "groups need bf16 output";
    if (c.cluster_m < 1 || c.cluster_n < 1 || c.cluster_m * c.cluster_n > 2)
      return "a compute cluster is one CTA or a pair";
    if (c.split_k != 1) return "split_k needs the stream skeleton";
    if (c.max_k_blocks != 0) return "max_k_blocks belongs to the stream skeleton";
    if (c.strip_n != 0 &&
        (c.strip_n != 8 || c.block_n != 128 || c.waves() != 2 || c.cluster_m != 1 || c.grouped ||
         c.swap_operands || c.output != Output::kBf16))
      return "a strip has 8 columns, beside 128, in dense bf16 tiles of two waves that share no B";
    if (c.strip_n != 0 && c.scale_b != ScaleB::k128x128) return "a strip needs 128x128 scales of B";
    if ((c.cluster_m == 2 && c.block_n % 16 != 0) || (c.cluster_n == 2 && c.block_m % 16 != 0))
      return "half of a multicast tile must be whole 8-row swizzle groups";
    if (c.ctas_per_sm != 1) return "a compute CTA fills the SM";
  }
  if (c.needed_registers() > c.math_registers())
    return "sums and temporary of a math thread do not fit its registers";
  return nullptr;
}

/// The name of a config, unique over all its fields: kernels are called fp8_gemm_<tag>.
struct Tag {
  char text[64] = {};
  int length = 0;

  FATHOM_HD constexpr void add(const char* s) {
    while (*s != 0) text[length++] = *s++;
  }
  FATHOM_HD constexpr void add(int value) {
    int digits = 1;
    for (int rest = value; rest >= 10; rest /= 10) ++digits;
    for (int i = digits - 1, rest = value; i >= 0; --i, rest /= 10)
      text[length + i] = static_cast<char>('0' + rest % 10);
    length += digits;
  }
  FATHOM_HD constexpr void add(const char* name, int value) {
    add(name);
    add(value);
  }
};

/// 256x128_w2_s4_cn2_bf16 | stream_64x56_w2_s10_x3_k19_bf16 | grouped_swap_32x192_w3_s6_bf16: rows
/// x columns (128p8: and a strip of 8), math warpgroups, stages, then what differs from 1:
/// cluster_m, cluster_n, split_k (x), ctas_per_sm (o), max_k_blocks (k), staging_chunks (d); wl:
/// whole_laps.
FATHOM_HD constexpr Tag tag_of(const Config& c) {
  Tag tag;
  if (c.grouped) tag.add("grouped_");
  if (c.swap_operands) tag.add("swap_");
  if (c.stream()) tag.add("stream_");
  if (c.resident()) tag.add("resident_");
  tag.add(c.block_m);
  tag.add("x", c.block_n);
  if (c.strip_n != 0) tag.add("p", c.strip_n);
  tag.add("_w", c.math_warpgroups);
  tag.add("_s", c.num_stages);
  if (c.cluster_m != 1) tag.add("_cm", c.cluster_m);
  if (c.cluster_n != 1) tag.add("_cn", c.cluster_n);
  if (c.split_k != 1) tag.add("_x", c.split_k);
  if (c.ctas_per_sm != 1) tag.add("_o", c.ctas_per_sm);
  if (c.max_k_blocks != 0) tag.add("_k", c.max_k_blocks);
  if (c.staging_chunks != 1) tag.add("_d", c.staging_chunks);
  if (c.whole_laps) tag.add("_wl");
  tag.add(c.output == Output::kBf16 ? "_bf16" : "_fp32");
  if (c.scale_b == ScaleB::k1x128) tag.add("_sb1");
  if (c.bounded_waits) tag.add("_bounded");
  return tag;
}

FATHOM_HD constexpr const char* name_of(Skeleton s) {
  return s == Skeleton::kStream     ? "fathom::device::gemm::Skeleton::kStream"
         : s == Skeleton::kResident ? "fathom::device::gemm::Skeleton::kResident"
                                    : "fathom::device::gemm::Skeleton::kCompute";
}
FATHOM_HD constexpr const char* name_of(Output o) {
  return o == Output::kBf16 ? "fathom::device::gemm::Output::kBf16"
                            : "fathom::device::gemm::Output::kFp32";
}
FATHOM_HD constexpr const char* name_of(ScaleB s) {
  return s == ScaleB::k1x128 ? "fathom::device::gemm::ScaleB::k1x128"
                             : "fathom::device::gemm::ScaleB::k128x128";
}

/// Calls visit(name, value) for every field in declaration order, so that source text, JSON and
/// keys need no list of their own.
template <typename Visit>
constexpr void for_each_field(const Config& c, Visit&& visit) {
  visit("skeleton", c.skeleton);
  visit("block_m", c.block_m);
  visit("block_n", c.block_n);
  visit("strip_n", c.strip_n);
  visit("num_stages", c.num_stages);
  visit("math_warpgroups", c.math_warpgroups);
  visit("cluster_m", c.cluster_m);
  visit("cluster_n", c.cluster_n);
  visit("split_k", c.split_k);
  visit("ctas_per_sm", c.ctas_per_sm);
  visit("max_k_blocks", c.max_k_blocks);
  visit("staging_chunks", c.staging_chunks);
  visit("output", c.output);
  visit("scale_b", c.scale_b);
  visit("grouped", c.grouped);
  visit("whole_laps", c.whole_laps);
  visit("swap_operands", c.swap_operands);
  visit("bounded_waits", c.bounded_waits);
}

}  // namespace fathom::device::gemm
