// The shared-memory plan of every legal config in a wide grid: aligned, inside the limit, nothing
// overlaps.
#include "gemm/smem.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace fathom::device::gemm {
namespace {

struct Span {
  const char* name;
  int begin, bytes, alignment;
};

void expect_sound(const Config& c) {
  const SmemPlan p = plan_smem(c);
  const int tables = c.stream() ? c.max_k_blocks : c.num_stages;
  std::vector<Span> spans = {
      {"a", p.a, c.num_stages * c.stage_rows() * 128, 1024},
      {"tiles", p.tiles, c.grouped ? kTileSlots * 16 : 0, 16},
      {"tile_full", p.tile_full_barriers, c.grouped ? kTileSlots * 8 : 0, 8},
      {"tile_empty", p.tile_empty_barriers, c.grouped ? kTileSlots * 8 : 0, 8},
      {"b", p.b, c.num_stages * c.block_n * 128, 1024},
      {"scale_a", p.scale_a, tables * p.scale_a_stage_bytes, 128},
      {"scale_b", p.scale_b, tables * p.scale_b_stage_bytes, 4},
      {"full", p.full_barriers, c.rings() * c.num_stages * 8, 8},
      {"empty", p.empty_barriers, c.rings() * c.num_stages * 8, 8},
      {"b_full", p.b_full_barriers, c.resident() ? c.num_stages * 8 : 0, 8},
      {"b_empty", p.b_empty_barriers, c.resident() ? c.num_stages * 8 : 0, 8},
  };
  if (c.stream()) {
    spans.push_back({"partials", p.partials, p.partials_bytes, 16});
    spans.push_back({"scales_full", p.scales_full_barrier, 8, 8});
    spans.push_back({"scales_empty", p.scales_empty_barrier, 8, 8});
    spans.push_back({"partials_full", p.partials_full_barriers, c.math_warpgroups * 8, 8});
    spans.push_back({"partials_empty", p.partials_empty_barriers, c.math_warpgroups * 8, 8});
  } else {
    EXPECT_EQ(p.scale_a_stage_bytes % 128, 0) << "TMA destination";
    EXPECT_GE(p.scale_b_stage_bytes, c.scale_b_elems() * 4);
  }
  if (c.stages_d()) {
    spans.push_back({"staging", p.staging, c.staging_buffers() * p.staging_chunk_bytes, 1024});
  }
  std::sort(spans.begin(), spans.end(),
            [](const Span& x, const Span& y) { return x.begin < y.begin; });
  int end = 0;
  for (const Span& s : spans) {
    if (s.bytes == 0) continue;
    ASSERT_EQ(s.begin % s.alignment, 0) << tag_of(c).text << " " << s.name;
    ASSERT_GE(s.begin, end) << tag_of(c).text << " " << s.name << " overlaps what lies before it";
    end = s.begin + s.bytes;
  }
  ASSERT_LE(end, p.total_bytes);
  ASSERT_LE(p.total_bytes, kCtaSharedBytes);
}

TEST(GemmSmem, PlansOfAllLegalConfigsAreSound) {
  int legal = 0;
  for (const Skeleton skeleton : {Skeleton::kCompute, Skeleton::kStream, Skeleton::kResident})
    for (const int block_m : {64, 128, 192, 256})
      for (int block_n = 8; block_n <= 256; block_n += 8)
        for (const int warpgroups : {1, 2, 3, 4})
          for (const int stages : {2, 3, 4, 6, 10})
            for (const int parts : {1, 2, 3})
              for (const Output output : {Output::kBf16, Output::kFp32})
                for (const ScaleB scale_b : {ScaleB::k128x128, ScaleB::k1x128}) {
                  const bool stream = skeleton == Skeleton::kStream;
                  const Config c{.skeleton = skeleton,
                                 .block_m = block_m,
                                 .block_n = block_n,
                                 .num_stages = stages,
                                 .math_warpgroups = warpgroups,
                                 .cluster_n = stream ? 1 : std::min(parts, 2),
                                 .split_k = stream ? parts : 1,
                                 .max_k_blocks = stream ? 20 : 0,
                                 .output = output,
                                 .scale_b = scale_b};
                  if (why_illegal(c) != nullptr) continue;
                  ++legal;
                  expect_sound(c);
                  if (HasFatalFailure()) return;
                }
  EXPECT_GT(legal, 1000);
}

TEST(GemmSmem, PlansOfGroupedAndSwappedConfigsAreSound) {
  int legal = 0;
  for (const bool grouped : {false, true})
    for (int block_m = 8; block_m <= 256; block_m += 8)
      for (int block_n = 64; block_n <= 256; block_n += 64)
        for (const int warpgroups : {1, 2, 3, 4})
          for (const int pair : {1, 2})
            for (const bool swapped : {false, true}) {
              const Config c{.block_m = block_m,
                             .block_n = block_n,
                             .num_stages = 3,
                             .math_warpgroups = warpgroups,
                             .cluster_n = pair,
                             .grouped = grouped,
                             .swap_operands = swapped};
              if (why_illegal(c) != nullptr) continue;
              ++legal;
              EXPECT_EQ(plan_smem(c).staging_chunk_bytes, c.d_rows() * c.d_chunk_cols() * 2);
              EXPECT_EQ(plan_smem(c).staging_chunk_bytes % 1024, 0) << "swizzle atoms";
              expect_sound(c);
              if (HasFatalFailure()) return;
            }
  EXPECT_GT(legal, 200);
}

TEST(GemmSmem, TheLargestPrefillTileFitsFourStages) {
  EXPECT_LE(plan_smem({.block_m = 256, .num_stages = 4, .cluster_n = 2}).total_bytes,
            kCtaSharedBytes);
  EXPECT_NE(why_illegal({.block_m = 256, .num_stages = 5, .cluster_n = 2}), nullptr);
}

}  // namespace
}  // namespace fathom::device::gemm
