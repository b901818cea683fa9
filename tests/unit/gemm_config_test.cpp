// The kernel's config: what is legal and why not, derived counts, unique tags. No GPU.
#include "gemm/config.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "gemm/smem.hpp"

namespace fathom::device::gemm {
namespace {

constexpr Config kPrefill{.block_m = 256, .num_stages = 4, .cluster_n = 2};
constexpr Config kDecode{.skeleton = Skeleton::kStream,
                         .block_m = 64,
                         .block_n = 56,
                         .num_stages = 10,
                         .split_k = 3,
                         .max_k_blocks = 19};

constexpr Config kSwapped{.block_m = 32,
                          .block_n = 192,
                          .num_stages = 6,
                          .math_warpgroups = 3,
                          .grouped = true,
                          .swap_operands = true};

std::string reason(const Config& c) {
  const char* text = why_illegal(c);
  return text == nullptr ? "" : text;
}

TEST(GemmConfig, KnownGoodConfigsAreLegal) {
  EXPECT_EQ(reason(kPrefill), "");
  EXPECT_EQ(reason(kDecode), "");
  EXPECT_EQ(reason(kSwapped), "");
  EXPECT_EQ(reason({.block_m = 256, .num_stages = 4, .cluster_n = 2, .grouped = true}), "");
  EXPECT_EQ(reason({.block_m = 192, .math_warpgroups = 3, .staging_chunks = 2}), "");
}

TEST(GemmConfig, EachRuleRefusesWithItsReason) {
  const std::vector<std::pair<Config, std::string>> cases = {
      {{.block_n = 100}, "multiple of 8"},
      {{.block_n = 264}, "multiple of 8"},
      {{.num_stages = 1}, "num_stages"},
      {{.block_m = 64}, "block_m"},
      {{.cluster_m = 2, .cluster_n = 2}, "pair"},
      {{.strip_n = 8}, "strip"},
      {{.block_m = 256, .strip_n = 16}, "strip"},
      {{.block_m = 256, .strip_n = 8, .scale_b = ScaleB::k1x128}, "strip"},
      {{.split_k = 2}, "stream skeleton"},
      {{.skeleton = Skeleton::kResident}, "64 rows"},
      {{.block_m = 256, .whole_laps = true}, "spill"},
      {{.skeleton = Skeleton::kResident, .block_m = 64, .block_n = 96}, "scale of B"},
      {{.skeleton = Skeleton::kResident, .block_m = 64, .block_n = 64, .math_warpgroups = 4},
       "loading warps"},
      {{.skeleton = Skeleton::kResident, .block_m = 64, .cluster_n = 2}, "alone"},
      {{.skeleton = Skeleton::kResident, .block_m = 64, .output = Output::kFp32}, "bf16"},
      {{.staging_chunks = 3}, "staging_chunks"},
      {{.block_m = 256, .block_n = 192}, "registers"},
      {{.block_n = 192, .num_stages = 7}, "shared memory"},
      {{.skeleton = Skeleton::kStream, .block_m = 96, .max_k_blocks = 8}, "64 or 128"},
      {{.skeleton = Skeleton::kStream, .block_m = 64, .num_stages = 5, .max_k_blocks = 8}, "ring"},
      {{.skeleton = Skeleton::kStream, .block_m = 64}, "max_k_blocks"},
      {{.skeleton = Skeleton::kStream, .block_m = 64, .max_k_blocks = 8, .grouped = true},
       "groups"},
      {{.output = Output::kFp32, .grouped = true}, "groups"},
      {{.block_m = 32, .block_n = 96, .swap_operands = true}, "block_n"},
      {{.block_m = 8, .block_n = 128, .cluster_n = 2, .swap_operands = true},
       "half of a multicast"},
      {{.block_m = 32, .output = Output::kFp32, .swap_operands = true}, "swapped"},
  };
  for (const auto& [config, text] : cases)
    EXPECT_NE(reason(config).find(text), std::string::npos)
        << tag_of(config).text << ": '" << reason(config) << "' should mention '" << text << "'";
}

TEST(GemmConfig, RegistersStayInsideThePoolOfTheLaunch) {
  for (const int warpgroups : {1, 2, 3, 4}) {
    for (const int ctas : {1, 2, 3}) {
      const Config c{.math_warpgroups = warpgroups, .ctas_per_sm = ctas};
      const int used = (c.math_registers() * warpgroups + c.load_registers()) * 128;
      EXPECT_LE(used, c.launch_registers() * c.num_threads()) << warpgroups << " " << ctas;
      EXPECT_LE(c.launch_registers() * c.num_threads() * ctas, kSmRegisters);
      EXPECT_EQ(c.math_registers() % 8, 0);
      EXPECT_EQ(c.load_registers() % 8, 0);
      EXPECT_GE(c.load_registers(), 24);
    }
  }
  EXPECT_EQ(Config{.math_warpgroups = 2}.math_registers(), 224);
  EXPECT_EQ(Config{.math_warpgroups = 2}.load_registers(), 56);
  EXPECT_EQ(Config{.math_warpgroups = 3}.math_registers(), 152);
  EXPECT_EQ(Config{.math_warpgroups = 3}.load_registers(), 56);
}

TEST(GemmConfig, ScaleBlocksOfATileCoverItsColumns) {
  for (int width = 8; width <= 256; width += 8) {
    const Config c{.block_n = width};
    int most = 0;
    for (int tile = 0; tile < 64; ++tile)
      most = std::max(most, (tile * width + width - 1) / 128 - tile * width / 128 + 1);
    EXPECT_EQ(c.scale_b_blocks(), most) << width;
    EXPECT_EQ(width % c.scale_b_run(), 0);
    EXPECT_EQ(width % c.d_chunk_cols(), 0);
  }
}

TEST(GemmConfig, TagsNameEveryField) {
  EXPECT_STREQ(tag_of(kPrefill).text, "256x128_w2_s4_cn2_bf16");
  EXPECT_STREQ(tag_of(kSwapped).text, "grouped_swap_32x192_w3_s6_bf16");
  EXPECT_STREQ(tag_of({.skeleton = Skeleton::kResident, .block_m = 64}).text,
               "resident_64x128_w2_s4_bf16");
  EXPECT_STREQ(tag_of(kDecode).text, "stream_64x56_w2_s10_x3_k19_bf16");
  std::map<std::string, int> seen;
  const Config base{};
  const std::vector<Config> changed = {
      base,
      {.skeleton = Skeleton::kStream},
      {.block_m = 256},
      {.block_n = 64},
      {.strip_n = 8},
      {.num_stages = 5},
      {.math_warpgroups = 3},
      {.cluster_m = 2},
      {.cluster_n = 2},
      {.split_k = 2},
      {.ctas_per_sm = 2},
      {.max_k_blocks = 8},
      {.staging_chunks = 2},
      {.output = Output::kFp32},
      {.scale_b = ScaleB::k1x128},
      {.grouped = true},
      {.whole_laps = true},
      {.swap_operands = true},
      {.bounded_waits = true},
  };
  int fields = 0;
  for_each_field(base, [&](const char*, auto) { ++fields; });
  EXPECT_EQ(static_cast<int>(changed.size()), fields + 1) << "a field without a case";
  for (const Config& c : changed) EXPECT_EQ(seen[tag_of(c).text]++, 0) << tag_of(c).text;
}

}  // namespace
}  // namespace fathom::device::gemm
