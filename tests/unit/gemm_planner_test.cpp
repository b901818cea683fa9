// The planner's decisions: pinned where they are known, lawful everywhere. No GPU.
#include "plan/gemm_planner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "gemm/smem.hpp"
#include "support/gemm_problems.hpp"
#include "support/gemm_timings.hpp"

#include <fathom/error.hpp>

namespace fathom::plan {
namespace {

using fathom::testing::dense_problem;
using fathom::testing::grouped_problem;
using fathom::testing::tag_without_stages;
using ::testing::HasSubstr;

DeviceSpec h200() {
  return find_device("h200").value();
}

/// Invented chips, so that no count is an H200's by accident.
DeviceSpec chip_of(int num_sms) {
  DeviceSpec d = h200();
  d.name = "chip";
  d.num_sms = num_sms;
  d.resident_ctas_by_cluster = {};
  return d;
}

std::string tag_for(std::int64_t m, std::int64_t n, std::int64_t k) {
  return tag_without_stages(gemm_tag(plan_gemm(dense_problem(m, n, k), h200()).config));
}

const GemmCandidate& candidate(const GemmPlan& plan, const std::string& tag) {
  for (const GemmCandidate& c : plan.candidates)
    if (tag_without_stages(gemm_tag(c.config)) == tag) return c;
  throw std::runtime_error(tag + " is no candidate");
}

// The decisions at the shapes of the published table. They follow measurements
// (bench/results/2026-11-22-h200-gemm-configs.json): a change here is a change of speed and needs
// new ones.
TEST(GemmPlanner, PinsTheTrainingShapes) {
  EXPECT_EQ(tag_for(4096, 7168, 16384), "256x128_w2_cn2_bf16");
  EXPECT_EQ(tag_for(4096, 4096, 7168), "256x128_w2_cn2_bf16");
  EXPECT_EQ(tag_for(4096, 7168, 2048), "256x128_w2_cn2_bf16");
  EXPECT_EQ(tag_for(4096, 24576, 1536), "192x128_w3_cn2_d2_wl_bf16");
  EXPECT_EQ(tag_for(4096, 32768, 512), "resident_64x128_w3_d2_bf16");
  EXPECT_EQ(tag_for(4096, 2112, 7168), "256x128p8_w2_cn2_bf16");
}

// bench/journal.md, "long products": what loads less keeps the clock, but not at short k.
TEST(GemmPlanner, PinsLongProducts) {
  EXPECT_EQ(tag_for(32768, 4096, 7168), "256x128_w2_cn2_bf16");
  EXPECT_EQ(tag_for(16384, 8192, 8192), "256x128_w2_cn2_bf16");
  EXPECT_EQ(tag_for(32768, 7168, 2048), "192x128_w3_cn2_d2_wl_bf16");
}

// Measured: bench/results/2026-11-21-h200-resident.json, up to 1,148 rows
// 2026-11-22-h200-gemm-configs.json, where tiles of 192 rows with whole laps win by 8 to 11 %.
TEST(GemmPlanner, KeepsColumnsResidentWhereKIsShortAndColumnsAreLong) {
  const auto resident = [](std::int64_t m, std::int64_t n, std::int64_t k) {
    return plan_gemm(dense_problem(m, n, k), h200()).config.resident();
  };
  for (const std::int64_t k : {128, 256, 384, 448, 512}) {
    EXPECT_TRUE(resident(4096, 32768, k)) << k;
    EXPECT_TRUE(resident(8192, 7168, k)) << k;
  }
  EXPECT_TRUE(resident(2048, 32768, 512));
  EXPECT_FALSE(resident(1024, 7168, 512));
  EXPECT_FALSE(resident(512, 32768, 512)) << "three columns a CTA, of eight tiles each";
  EXPECT_FALSE(resident(256, 32768, 512));
  EXPECT_FALSE(resident(4096, 32768, 513)) << "a fifth block of k";
}

TEST(GemmPlanner, GivesEachGpcFewRowsAndColumnsOfTilesComputedAtOnce) {
  const auto order = [](std::int64_t m, std::int64_t n, std::int64_t k, const std::string& tag) {
    GemmProblem problem = dense_problem(m, n, k);
    problem.config = tag;
    return plan_gemm(problem, h200()).order;
  };
  EXPECT_TRUE(order(512, 4096, 7168, "128x128_w2_s5_d2_bf16").along_n);
  EXPECT_EQ(order(512, 4096, 7168, "128x128_w2_s5_d2_bf16").band_tiles, 8);
  EXPECT_TRUE(order(1024, 4096, 7168, "256x128_w2_s4_cn2_bf16").along_n);
  EXPECT_EQ(order(1024, 4096, 7168, "256x128_w2_s4_cn2_bf16").band_tiles, 16);
  EXPECT_FALSE(order(1024, 1536, 7168, "128x96_w2_s7_d3_bf16").along_n);
  EXPECT_EQ(order(1024, 1536, 7168, "128x96_w2_s7_d3_bf16").band_tiles, 4);
  EXPECT_FALSE(order(256, 4096, 7168, "128x128_w2_s5_d2_bf16").along_n);
  EXPECT_FALSE(order(512, 7168, 7168, "128x128_w2_s5_d2_bf16").along_n) << "two steps";
  EXPECT_EQ(order(4096, 4096, 7168, "256x128_w2_s4_cn2_bf16").band_tiles, 8) << "four steps";
}

TEST(GemmPlanner, PinsTheDecodeShapes) {
  EXPECT_GT(plan_gemm(dense_problem(64, 2112, 7168), h200()).config.split_k, 1);
  EXPECT_EQ(tag_for(64, 24576, 1536), "stream_64x64_w1_o2_k32_bf16");
  EXPECT_EQ(tag_for(64, 7168, 16384), "stream_64x56_w2_k144_bf16");
  EXPECT_EQ(tag_for(64, 4096, 7168), "stream_64x32_w2_k64_bf16");
  EXPECT_EQ(tag_for(128, 2112, 7168), "stream_128x32_w2_x2_k28_bf16");
  EXPECT_EQ(tag_for(128, 24576, 1536), "128x192_w2_d3_bf16");
  EXPECT_EQ(tag_for(128, 7168, 16384), "128x64_w2_bf16");
  EXPECT_EQ(tag_for(128, 4096, 7168), "stream_128x64_w2_x2_k28_bf16");
  EXPECT_EQ(tag_for(1, 7168, 18432), "stream_64x56_w2_k144_bf16");
  EXPECT_EQ(tag_for(256, 4096, 7168), "128x64_w2_bf16");
}

TEST(GemmPlanner, CountsTheTilesOfTheTextbookCase) {
  const GemmPlan plan = plan_gemm(dense_problem(256, 7168, 7168), h200());
  EXPECT_EQ(candidate(plan, "128x128_w2_d2_bf16").cost.tiles, 112);
  EXPECT_EQ(candidate(plan, "128x112_w2_d7_bf16").cost.tiles, 128);
  EXPECT_EQ(candidate(plan, "128x112_w2_d7_bf16").cost.steps, 1);
}

TEST(GemmPlanner, CountsStepsByTheClustersThatFit) {
  // 38 tiles of 3 CTAs: 114 CTAs, where 117 in clusters of 3 are resident at once.
  const GemmPlan plan = plan_gemm(dense_problem(64, 2112, 7168), h200());
  const GemmCandidate& split = candidate(plan, "stream_64x56_w2_x3_k32_bf16");
  EXPECT_EQ(split.launch.grid, 114);
  EXPECT_EQ(split.launch.cluster, 3);
  EXPECT_EQ(split.cost.steps, 1);
  // 32 clusters of 4 where 30 fit: two steps, not a second wave of launches.
  const GemmPlan wide = plan_gemm(dense_problem(64, 64 * 32, 7168), h200());
  const GemmCandidate& four = candidate(wide, "stream_64x64_w2_x4_k128_bf16");
  EXPECT_EQ(four.launch.grid, 120);
  EXPECT_EQ(four.cost.steps, 2);
}

TEST(GemmPlanner, LeavesSmsOutThatWouldSaveNoStep) {
  // 896 tiles of 256x128: 7 for each of 128 CTAs; 132 would take as many steps.
  const GemmPlan long_k = plan_gemm(dense_problem(4096, 7168, 16384), h200());
  const GemmCandidate& pairs = candidate(long_k, "256x128_w2_cn2_bf16");
  EXPECT_EQ(pairs.cost.steps, 7);
  EXPECT_EQ(pairs.launch.grid, 128);
  EXPECT_EQ(long_k.launch.grid, long_k.chosen().launch.grid);
  // Few rows keep all of them: 3 steps on 264 places, where 256 would do.
  const GemmPlan few = plan_gemm(dense_problem(64, 24576, 1536), h200());
  EXPECT_EQ(candidate(few, "stream_64x32_w1_o2_k64_bf16").launch.grid, 264);
}

TEST(GemmPlanner, LeavesSmsOutInGroupsTakenForEven) {
  // 8 groups of 16 x 16 pairs of 256x128: 32 steps of 64 pairs, and of 66.
  GemmProblem problem = grouped_problem(Groups::Form::kRowGroup, 8, 8 * 4096, 4096, 7168);
  const GemmPlan even = plan_gemm(problem, h200());
  EXPECT_EQ(candidate(even, "grouped_256x128_w2_cn2_bf16").cost.steps, 32);
  EXPECT_EQ(candidate(even, "grouped_256x128_w2_cn2_bf16").launch.grid, 128);
  // A block more, and they are not; nor are groups that start at any row.
  problem = grouped_problem(Groups::Form::kRowGroup, 8, 8 * 4096 + 128, 4096, 7168);
  const GemmPlan routed = plan_gemm(problem, h200());
  EXPECT_EQ(candidate(routed, "grouped_256x128_w2_cn2_bf16").launch.grid, 132);
  problem = grouped_problem(Groups::Form::kOffsets, 8, 8 * 4096, 4096, 7168);
  const GemmPlan anywhere = plan_gemm(problem, h200());
  EXPECT_EQ(candidate(anywhere, "grouped_256x128_w2_cn2_bf16").launch.grid, 132);
  // Two steps: one more, if they are not even, would be half as much again.
  problem = grouped_problem(Groups::Form::kRowGroup, 8, 8 * 256, 4096, 7168);
  const GemmPlan few = plan_gemm(problem, h200());
  EXPECT_EQ(candidate(few, "grouped_256x128_w2_cn2_bf16").cost.steps, 2);
  EXPECT_EQ(candidate(few, "grouped_256x128_w2_cn2_bf16").launch.grid, 132);
}

std::string full_tag(const std::string& tag) {
  for (const GemmConfig& config : gemm_configs())
    if (tag_without_stages(gemm_tag(config)) == tag) return gemm_tag(config);
  throw std::runtime_error(tag + " is not in the closed set");
}

/// What every plan must obey, whatever the problem.
void expect_lawful(const GemmProblem& problem, const DeviceSpec& device) {
  const GemmPlan plan = plan_gemm(problem, device);
  const int sms = problem.max_sms > 0 ? std::min(problem.max_sms, device.num_sms) : device.num_sms;
  SCOPED_TRACE(::testing::Message()
               << "m " << problem.m << " n " << problem.n << " k " << problem.k << " sms " << sms
               << " of " << device.num_sms << ": " << why_text(plan));
  ASSERT_FALSE(plan.candidates.empty());
  EXPECT_EQ(plan.config, plan.candidates.front().config);
  const device::gemm::Sizes sizes = sizes_of(problem);
  double previous = 0;
  for (const GemmCandidate& c : plan.candidates) {
    ASSERT_EQ(device::gemm::why_illegal(c.config), nullptr);
    ASSERT_EQ(device::gemm::why_unfit(c.config, sizes), nullptr);
    ASSERT_TRUE(find_gemm_config(gemm_tag(c.config)).has_value()) << "outside the closed set";
    ASSERT_GE(c.launch.grid, 1);
    ASSERT_EQ(c.launch.grid % c.launch.cluster, 0);
    ASSERT_EQ(c.launch.cluster, c.config.cluster_size());
    ASSERT_LE(c.launch.grid, sms < device.num_sms ? sms : sms * c.config.ctas_per_sm)
        << gemm_tag(c.config);
    ASSERT_EQ(c.launch.block, c.config.num_threads());
    ASSERT_LE(c.launch.smem_bytes, device.smem_bytes_per_cta);
    // The steps of the busiest cluster cover all tiles.
    ASSERT_GE(c.cost.steps * c.launch.grid / c.config.split_k, c.cost.tiles) << gemm_tag(c.config);
    ASSERT_GE(c.cost.tiles * c.config.block_m * c.config.tile_cols(), problem.m * problem.n);
    if (problem.batch_invariant) {
      ASSERT_EQ(c.config.k_parts(), 1) << gemm_tag(c.config);
    }
    for (const double part : {c.cost.start_us, c.cost.tensor_us, c.cost.latency_us, c.cost.ring_us,
                              c.cost.l2_us, c.cost.hbm_us, c.cost.epilogue_us})
      ASSERT_TRUE(std::isfinite(part) && part > 0) << gemm_tag(c.config);
    ASSERT_GE(c.cost.total_us, previous - 1e-3) << "candidates are not sorted";
    previous = c.cost.total_us;
  }
}

TEST(GemmPlanner, IsLawfulOverThousandsOfProblems) {
  constexpr unsigned kSeed = 20261121;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  // Log-uniform: as many problems under 64 as between 64 and 4096.
  const auto extent = [&random](double most) {
    return static_cast<std::int64_t>(
        std::exp(std::uniform_real_distribution<>(0, std::log(most))(random)));
  };
  for (int i = 0; i < 3000 && !::testing::Test::HasFailure(); ++i) {
    GemmProblem p = dense_problem(extent(70000), extent(70000), extent(200000));
    p.out = i % 3 == 0 ? DType::kFp32 : DType::kBf16;
    p.scale_b_block = i % 5 == 0 ? ScaleBBlock::k1x128 : ScaleBBlock::k128x128;
    p.batch_invariant = i % 4 == 0;
    const int sms = static_cast<int>(extent(160));
    if (i % 2 == 0) p.max_sms = sms;
    expect_lawful(p, i % 7 == 0 ? chip_of(sms) : known_devices()[static_cast<std::size_t>(i) % 5]);
  }
}

TEST(GemmPlanner, ServesEverySmCount) {
  for (int sms = 1; sms <= 132; ++sms) {
    GemmProblem p = dense_problem(300, 2112, 7168);
    p.max_sms = sms;
    expect_lawful(p, h200());
    expect_lawful(dense_problem(300, 2112, 7168), chip_of(sms));
  }
}

TEST(GemmPlanner, MoreSmsNeverCostMore) {
  // Without a power cap: under one, SMs that add no step still take clock from the others.
  DeviceSpec device = h200();
  device.capped_clock_ghz = device.max_clock_ghz;
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {1, 7168, 2048}, {64, 2112, 7168}, {4096, 7168, 16384}, {1000, 576, 1152}}) {
    double previous = INFINITY;
    for (int sms = 1; sms <= 131; sms += 2) {
      GemmProblem p = dense_problem(m, n, k);
      p.max_sms = sms;
      const double now = plan_gemm(p, device).chosen().cost.total_us;
      // 2 %: two SMs more may add a second band of reads or share the L2 rate among more.
      EXPECT_LE(now, previous * 1.02)
          << "m " << m << " n " << n << " k " << k << " at " << sms << " SMs";
      previous = std::min(previous, now);
    }
  }
}

TEST(GemmPlanner, LargerProblemsCostMore) {
  for (const std::int64_t size : {64, 512, 4096}) {
    const double base = plan_gemm(dense_problem(size, 4096, 4096), h200()).chosen().cost.total_us;
    EXPECT_LT(base, plan_gemm(dense_problem(2 * size, 8192, 8192), h200()).chosen().cost.total_us);
  }
}

TEST(GemmPlanner, SamePlanSameText) {
  const GemmProblem p = dense_problem(64, 7168, 2048);
  const std::string text = plan_json(plan_gemm(p, h200()));
  EXPECT_EQ(text, plan_json(plan_gemm(p, h200())));
  EXPECT_EQ(plan_table(plan_gemm(p, h200())), plan_table(plan_gemm(p, h200())));
}

TEST(GemmPlanner, JsonNamesConfigLaunchCandidatesAndReason) {
  const GemmPlan plan = plan_gemm(dense_problem(64, 7168, 2048), h200());
  const auto json = nlohmann::json::parse(plan_json(plan));
  const auto& config = json.at("config");
  EXPECT_EQ(config.at("tag"), gemm_tag(plan.config));
  EXPECT_EQ(config.at("kernel"), "fp8_gemm_" + gemm_tag(plan.config));
  EXPECT_EQ(config.at("swap_ab"), false);
  for (const char* field :
       {"block_m", "block_n", "num_stages", "cluster_m", "cluster_n", "split_k"})
    EXPECT_TRUE(config.at(field).is_number_integer()) << field;
  const auto& launch = json.at("launch");
  EXPECT_EQ(launch.at("grid"), plan.launch.grid);
  EXPECT_EQ(launch.at("block"), plan.launch.block);
  EXPECT_EQ(launch.at("cluster"), plan.launch.cluster);
  EXPECT_EQ(launch.at("smem_bytes"), device::gemm::plan_smem(plan.config).total_bytes);
  ASSERT_EQ(json.at("candidates").size(), plan.candidates.size());
  EXPECT_EQ(json.at("candidates")[0].at("tag"), gemm_tag(plan.config));
  EXPECT_GT(json.at("candidates")[0].at("cost_us"), 0);
  EXPECT_GT(json.at("candidates")[0].at("cost").at("hbm_us"), 0);
  EXPECT_THAT(json.at("why").get<std::string>(), HasSubstr(gemm_tag(plan.config)));
}

TEST(GemmPlanner, BatchInvariantIsTheSameArithmeticForEveryM) {
  for (const std::int64_t m : {1, 64, 65, 128, 4096}) {
    GemmProblem p = dense_problem(m, 2112, 7168);
    p.batch_invariant = true;
    EXPECT_EQ(plan_gemm(p, h200()).config.k_parts(), 1) << m;
  }
  EXPECT_GT(plan_gemm(dense_problem(1, 2112, 7168), h200()).config.k_parts(), 1)
      << "without the flag a split is faster here, or this test shows nothing";
}

TEST(GemmPlanner, OutputAndScalesSelectTheirKernels) {
  GemmProblem p = dense_problem(4096, 7168, 2048);
  p.out = DType::kFp32;
  p.accumulate = true;
  EXPECT_EQ(plan_gemm(p, h200()).config.output, device::gemm::Output::kFp32);
  p.scale_b_block = ScaleBBlock::k1x128;
  EXPECT_EQ(plan_gemm(p, h200()).config.scale_b, device::gemm::ScaleB::k1x128);
}

TEST(GemmPlanner, ForcedConfigRunsAndSaysSo) {
  GemmProblem p = dense_problem(4096, 7168, 2048);
  p.config = full_tag("128x64_w2_bf16");
  const GemmPlan plan = plan_gemm(p, h200());
  EXPECT_EQ(gemm_tag(plan.config), p.config);
  EXPECT_TRUE(plan.forced);
  EXPECT_THAT(why_text(plan), HasSubstr("forced, the model prefers 256x128"));
  p.config += "_bounded";
  EXPECT_TRUE(plan_gemm(p, h200()).config.bounded_waits);
}

TEST(GemmPlanner, EveryConfigCanBeForcedOnSomeProblem) {
  for (const GemmConfig& config : gemm_configs()) {
    GemmProblem p = dense_problem(100, config.strip_n > 0 ? 1040 : 1000, 500);
    if (config.grouped) p = grouped_problem(Groups::Form::kOffsets, 3, 100, 1000, 500);
    p.config = gemm_tag(config);
    p.out = config.output == device::gemm::Output::kFp32 ? DType::kFp32 : DType::kBf16;
    if (config.scale_b == device::gemm::ScaleB::k1x128) p.scale_b_block = ScaleBBlock::k1x128;
    EXPECT_EQ(plan_gemm(p, h200()).config, config) << p.config;
  }
}

std::string refusal(const GemmProblem& problem, const DeviceSpec& device, ErrorCode code) {
  try {
    plan_gemm(problem, device);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "not refused";
}

TEST(GemmPlanner, RefusesForcedConfigsWithTheReason) {
  GemmProblem p = dense_problem(64, 2112, 7168);
  p.config = "129x128";
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kInvalidArgument), HasSubstr("none of the"));
  p.config = full_tag("stream_64x56_w2_x3_k32_fp32");
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kUnsupported), HasSubstr("it writes fp32, d is bf16"));
  p.config = full_tag("stream_64x56_w2_x3_k32_bf16");
  p.batch_invariant = true;
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kUnsupported), HasSubstr("batch_invariant forbids"));
  p.batch_invariant = false;
  p.max_sms = 2;
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kUnsupported),
              HasSubstr("clusters take 3 SMs, the budget is 2"));
  p.max_sms = 0;
  p.k = 128 * 97;
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kUnsupported), HasSubstr("scale table"));
}

TEST(GemmPlanner, RefusesForeignOutputs) {
  GemmProblem p = dense_problem(64, 2112, 7168);
  p.out = DType::kFp16;
  EXPECT_THAT(refusal(p, h200(), ErrorCode::kUnsupported), HasSubstr("fp16"));
}

TEST(GemmPlanner, NothingToMultiplyLaunchesNothing) {
  for (const auto& p :
       {dense_problem(0, 64, 64), dense_problem(64, 0, 64), dense_problem(64, 64, 0)}) {
    const GemmPlan plan = plan_gemm(p, h200());
    EXPECT_FALSE(plan.launches());
    EXPECT_THAT(why_text(plan), HasSubstr("nothing to multiply"));
  }
}

}  // namespace
}  // namespace fathom::plan
