// The closed set of GEMM kernels, as short tables of what varies. Planning layer: pure.
#include "plan/gemm_configs.hpp"

#include <array>

#include "gemm/smem.hpp"

namespace fathom::plan {
namespace {

using device::gemm::Output;
using device::gemm::ScaleB;
using device::gemm::Skeleton;

/// The deepest ring that shared memory holds, up to `most`; 0 when not even two stages fit.
constexpr int deepest_ring(GemmConfig config, int most) {
  for (int stages = most; stages >= 2; --stages) {
    config.num_stages = stages;
    if (device::gemm::why_illegal(config) == nullptr) return stages;
  }
  return 0;
}

// More slots than this hide nothing further: 8 x 64 rows x 128 already cover 1.5 us of loads at 40
// B/ns.
constexpr int kMostComputeStages = 8;

enum Pair { kAlone, kPairM, kPairN };

// A tile of the compute skeleton, with the deepest ring that fits beside its staging. Staging for a
// whole wave of D lets it leave without waits; 256 rows have room for that with three stages only.
constexpr int kWholeWave = 0;
struct ComputeRow {
  int block_m, block_n, warpgroups;
  Pair pair = kAlone;
  int staging = kWholeWave;
  int strip_n = 0;
  bool whole_laps = false;
};

// A tile of the stream skeleton. `k_blocks`: what the scale table of a CTA holds.
struct StreamRow {
  int block_m, block_n, warpgroups, split_k, ctas_per_sm, k_blocks;
};

// bf16, scales of B by 128x128: the whole range of sizes.
constexpr ComputeRow kComputeBf16[] = {
    // Long k: two warpgroups of two waves; the pair shares A, the larger operand.
    {256, 128, 2, kPairN, 1},
    {256, 128, 2, kAlone, 1},
    {256, 128, 2, kAlone, 2},
    {256, 128, 2, kPairN, 2},
    // n a little past whole tiles.
    {256, 128, 2, kPairN, 1, 8},
    // Short k and n that 256 rows quantise badly: three warpgroups hide each other's epilogue.
    {192, 128, 3, kPairN},
    {192, 128, 3, kPairN, kWholeWave, 0, true},
    {192, 128, 3, kPairM},
    {192, 128, 3},
    {192, 128, 3, kAlone, kWholeWave, 0, true},
    {192, 112, 3},
    {192, 96, 3},
    {192, 80, 3},
    {192, 64, 3},
    // Tiles that fill one or two waves exactly.
    {128, 192, 2, kPairM},
    {128, 192, 2},
    {128, 160, 2, kPairM},
    {128, 160, 2},
    {128, 144, 2},
    {128, 128, 2, kPairN},
    {128, 128, 2, kPairM},
    {128, 128, 2},
    {128, 112, 2, kPairM},
    {128, 112, 2},
    {128, 96, 2},
    {128, 80, 2},
    {128, 64, 2, kPairN},
    {128, 64, 2},
    {128, 32, 2},
    {64, 128, 1},
    {64, 64, 1},
    {64, 32, 1},
};

// bf16, k of a few blocks: columns of B stay in shared memory, with as many blocks as it holds.
struct ResidentRow {
  int block_n, warpgroups;
};
constexpr ResidentRow kResidentBf16[] = {{128, 3}};

constexpr ComputeRow kComputeFp32[] = {
    {256, 128, 2, kPairN, 1},
    {256, 128, 2, kAlone, 1},
    {192, 128, 3, kPairN, 1},
    {192, 128, 3, kAlone, 1},
    {128, 192, 2, kPairM, 1},
    {128, 128, 2, kPairN},
    {128, 128, 2},
    {128, 112, 2},
    {128, 64, 2},
    {128, 32, 2},
    {64, 128, 1},
    {64, 64, 1},
    {64, 32, 1},
};

// Scales of B by 1x128 (weight gradients): as many scales of B as columns in every block of k,
// which also take registers.
constexpr ComputeRow kComputeScaleB1[] = {
    {256, 96, 2, kPairN, 1},
    {192, 96, 3, kPairN},
    {128, 128, 2, kPairN},
    {128, 128, 2},
    {128, 64, 2},
    {64, 128, 1},
    {64, 32, 1},
};

// bf16, up to 128 rows at a time: weights are read once.
constexpr StreamRow kStreamBf16[] = {
    // k to 18432 in one CTA, 64 rows: widths that deal n over the SMs.
    {64, 32, 2, 1, 1, 144},
    {64, 48, 2, 1, 1, 144},
    {64, 56, 2, 1, 1, 144},
    {64, 64, 2, 1, 1, 144},
    {64, 64, 4, 1, 1, 144},
    {64, 16, 2, 1, 1, 64},
    {64, 32, 2, 1, 1, 64},
    {64, 40, 2, 1, 1, 64},
    // One order of addition (batch_invariant): one warpgroup over all of k.
    {64, 16, 1, 1, 1, 64},
    {64, 32, 1, 1, 1, 144},
    {64, 56, 1, 1, 1, 144},
    {64, 64, 1, 1, 1, 64},
    {64, 128, 1, 1, 1, 64},
    // Few columns: CTAs of a cluster share k.
    {64, 40, 2, 2, 1, 28},
    {64, 32, 2, 2, 1, 64},
    {64, 64, 2, 2, 1, 32},
    {64, 64, 2, 2, 1, 128},
    {64, 56, 2, 3, 1, 32},
    {64, 24, 2, 4, 1, 28},
    {64, 32, 2, 4, 1, 16},
    {64, 64, 2, 4, 1, 128},
    // Short k, many columns: several CTAs of an SM hide each other's start and end.
    {64, 64, 1, 1, 4, 4},
    {64, 64, 1, 1, 3, 4},
    {64, 64, 1, 1, 2, 32},
    {64, 32, 1, 1, 2, 64},
    // 65 to 128 rows.
    {128, 32, 2, 1, 1, 112},
    {128, 64, 2, 1, 1, 16},
    {128, 64, 2, 1, 1, 128},
    {128, 80, 2, 1, 1, 64},
    {128, 96, 2, 1, 1, 64},
    {128, 112, 2, 1, 1, 64},
    {128, 128, 2, 1, 1, 64},
    {128, 64, 2, 1, 2, 16},
    {128, 32, 2, 2, 1, 28},
    {128, 64, 2, 2, 1, 28},
    {128, 64, 2, 2, 1, 128},
    {128, 96, 2, 2, 1, 56},
    {128, 32, 2, 4, 1, 16},
};

constexpr StreamRow kStreamFp32[] = {
    {64, 32, 2, 1, 1, 64},  {64, 64, 2, 1, 1, 64},  {64, 56, 2, 1, 1, 144},
    {64, 32, 1, 1, 1, 144}, {64, 56, 2, 3, 1, 32},  {64, 64, 2, 4, 1, 32},
    {64, 64, 1, 1, 3, 16},  {128, 56, 2, 1, 1, 64}, {128, 72, 2, 4, 1, 32},
};

// Rows in groups, bf16. Heights from the rows that a group may be expected to hold; up to 112 with
// swapped operands, where a tile may be as low as its rows.
struct GroupedRow {
  int block_m, block_n, warpgroups;
  Pair pair = kAlone;
  int staging = kWholeWave;
  bool swapped = false;
  bool whole_laps = false;
};
constexpr bool kSwapped = true;

// Those that were best, or within 1 % of it, on some of 60 measured problems: the published rows
// and the routing of two models (H200, 2026-11-21, bench/journal.md).
constexpr GroupedRow kGrouped[] = {
    {256, 128, 2, kPairN, 1},
    {256, 128, 2, kAlone, 1},
    {192, 128, 3, kPairN},
    {192, 128, 3, kPairN, kWholeWave, false, true},
    {192, 128, 3},
    {128, 128, 2, kPairN},
    {128, 128, 2},
    {128, 64, 2},
    {64, 128, 1},
    {64, 96, 1},
    {64, 64, 1},
    // Weights on the 64-row side of wgmma, rows on its n side.
    {8, 64, 1, kAlone, kWholeWave, kSwapped},
    {16, 64, 1, kAlone, kWholeWave, kSwapped},
    {8, 128, 2, kAlone, kWholeWave, kSwapped},
    {16, 128, 2, kAlone, kWholeWave, kSwapped},
    {24, 128, 2, kAlone, kWholeWave, kSwapped},
    {32, 128, 2, kAlone, kWholeWave, kSwapped},
    {32, 128, 2, kPairN, kWholeWave, kSwapped},
    {48, 128, 2, kAlone, kWholeWave, kSwapped},
    {64, 128, 2, kAlone, kWholeWave, kSwapped},
    {64, 128, 2, kPairN, kWholeWave, kSwapped},
    {96, 128, 2, kAlone, kWholeWave, kSwapped},
    {8, 192, 3, kAlone, kWholeWave, kSwapped},
    {16, 192, 3, kAlone, kWholeWave, kSwapped},
    {24, 192, 3, kAlone, kWholeWave, kSwapped},
    {48, 192, 3, kAlone, kWholeWave, kSwapped},
    {64, 192, 3, kAlone, kWholeWave, kSwapped},
};

constexpr GroupedRow kGroupedScaleB1[] = {
    {192, 96, 3, kPairN},
    {128, 128, 2},
    {128, 64, 2},
    {64, 128, 1},
};

constexpr GemmConfig config_of(const GroupedRow& row, ScaleB scale_b) {
  GemmConfig c{.skeleton = Skeleton::kCompute,
               .block_m = row.block_m,
               .block_n = row.block_n,
               .math_warpgroups = row.warpgroups,
               .cluster_m = row.pair == kPairM ? 2 : 1,
               .cluster_n = row.pair == kPairN ? 2 : 1,
               .output = Output::kBf16,
               .scale_b = scale_b,
               .grouped = true,
               .whole_laps = row.whole_laps,
               .swap_operands = row.swapped};
  c.staging_chunks = row.staging == kWholeWave ? c.d_chunks() : row.staging;
  c.num_stages = deepest_ring(c, device::gemm::kMaxStages);
  return c;
}

constexpr GemmConfig config_of(const ComputeRow& row, Output output, ScaleB scale_b) {
  GemmConfig c{.skeleton = Skeleton::kCompute,
               .block_m = row.block_m,
               .block_n = row.block_n,
               .strip_n = row.strip_n,
               .math_warpgroups = row.warpgroups,
               .cluster_m = row.pair == kPairM ? 2 : 1,
               .cluster_n = row.pair == kPairN ? 2 : 1,
               .output = output,
               .scale_b = scale_b,
               .whole_laps = row.whole_laps};
  c.staging_chunks = row.staging == kWholeWave ? c.d_chunks() : row.staging;
  c.num_stages = deepest_ring(c, kMostComputeStages);
  return c;
}

constexpr GemmConfig config_of(const ResidentRow& row) {
  GemmConfig c{.skeleton = Skeleton::kResident,
               .block_m = device::gemm::kWgmmaM,
               .block_n = row.block_n,
               .math_warpgroups = row.warpgroups};
  c.staging_chunks = c.d_chunks();
  c.num_stages = deepest_ring(c, kMostComputeStages);
  return c;
}

constexpr GemmConfig config_of(const StreamRow& row, Output output) {
  GemmConfig c{.skeleton = Skeleton::kStream,
               .block_m = row.block_m,
               .block_n = row.block_n,
               .math_warpgroups = row.warpgroups,
               .split_k = row.split_k,
               .ctas_per_sm = row.ctas_per_sm,
               .max_k_blocks = row.k_blocks,
               .output = output};
  // A slot more than blocks of k would never be filled.
  c.num_stages = deepest_ring(
      c, row.k_blocks < device::gemm::kMaxStages ? row.k_blocks : device::gemm::kMaxStages);
  return c;
}

constexpr std::size_t kNumConfigs = std::size(kComputeBf16) + std::size(kResidentBf16) +
                                    std::size(kComputeFp32) + 2 * std::size(kComputeScaleB1) +
                                    std::size(kStreamBf16) + std::size(kStreamFp32) +
                                    std::size(kGrouped) + std::size(kGroupedScaleB1);
static_assert(kNumConfigs <= 185, "the closed set is at most 200 kernels, casts included");

constexpr std::array<GemmConfig, kNumConfigs> build_set() {
  std::array<GemmConfig, kNumConfigs> set{};
  std::size_t count = 0;
  for (const ComputeRow& row : kComputeBf16)
    set[count++] = config_of(row, Output::kBf16, ScaleB::k128x128);
  for (const ResidentRow& row : kResidentBf16) set[count++] = config_of(row);
  for (const StreamRow& row : kStreamBf16) set[count++] = config_of(row, Output::kBf16);
  for (const ComputeRow& row : kComputeFp32)
    set[count++] = config_of(row, Output::kFp32, ScaleB::k128x128);
  for (const StreamRow& row : kStreamFp32) set[count++] = config_of(row, Output::kFp32);
  for (const Output output : {Output::kBf16, Output::kFp32})
    for (const ComputeRow& row : kComputeScaleB1)
      set[count++] = config_of(row, output, ScaleB::k1x128);
  for (const GroupedRow& row : kGrouped) set[count++] = config_of(row, ScaleB::k128x128);
  for (const GroupedRow& row : kGroupedScaleB1) set[count++] = config_of(row, ScaleB::k1x128);
  return set;
}

constexpr std::array<GemmConfig, kNumConfigs> kSet = build_set();

constexpr bool all_legal() {
  for (const GemmConfig& c : kSet)
    if (device::gemm::why_illegal(c) != nullptr) return false;
  return true;
}
static_assert(all_legal(), "a config of the closed set breaks device/gemm/config.hpp's own rules");

}  // namespace

std::span<const GemmConfig> gemm_configs() {
  return kSet;
}

std::string gemm_tag(const GemmConfig& config) {
  return device::gemm::tag_of(config).text;
}

std::optional<GemmConfig> find_gemm_config(std::string_view tag) {
  constexpr std::string_view kBounded = "_bounded";
  const bool bounded = tag.ends_with(kBounded);
  if (bounded) tag.remove_suffix(kBounded.size());
  for (GemmConfig config : kSet) {
    if (device::gemm::tag_of(config).text != tag) continue;
    config.bounded_waits = bounded;
    return config;
  }
  return std::nullopt;
}

std::string gemm_kernel_name(const GemmConfig& config) {
  return "fp8_gemm_" + gemm_tag(config);
}

}  // namespace fathom::plan
