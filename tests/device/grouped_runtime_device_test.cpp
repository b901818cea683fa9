// Grouped products: the shapes that other libraries fell over, graphs, poison, zero padding, very
// large tensors.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "device/grouped_problem.hpp"
#include "device/summary.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::testing {
namespace {

using reference::DataKind;
using Form = Groups::Form;
using Spec = reference::ProblemSpec;

/// Runs a case on every config that can compute it, forced by its name, and as planned.
void run_on_every_config(Arena& arena, const Spec& spec, const GroupedOptions& how = {}) {
  arena.reset();
  GroupedProblem problem(arena, spec, how);
  run_and_judge(problem, problem.options());
  int configs = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    if (!config.grouped || can_implement(Oracle::instance().context(), problem.operands(), options))
      continue;
    run_and_judge(problem, options);
    ++configs;
  }
  EXPECT_GE(configs, 4) << problem.text();
}

// user reports collected in the threads of DeepGEMM, vLLM, SGLang and FlashInfer.
TEST(GroupedReportsDevice, MaskedVectorThatHung) {
  Arena arena(std::int64_t{2} << 30);
  const std::vector<std::int64_t> rows = {4001, 1425, 0,  0,  0,    0, 0, 571,
                                          503,  0,    26, 12, 1232, 0, 0, 224};
  for (const auto& [n, k] : {std::pair<int, int>{3072, 4096}, {4096, 1536}})
    run_on_every_config(arena, {.form = Form::kMasked, .m = 4096, .n = n, .k = k, .index = rows},
                        {.expected_m = 114});
}

TEST(GroupedReportsDevice, FewRowsAGroupAndAnyNumberOfGroups) {
  Arena arena(std::int64_t{1} << 30);
  for (const std::int64_t max_m : {8, 16, 32})
    for (const std::int64_t groups : {1, 3, 5, 6, 7, 9})
      run_on_every_config(arena, {.form = Form::kMasked,
                                  .m = max_m,
                                  .n = 520,
                                  .k = 1152,
                                  .num_groups = groups,
                                  .data = DataKind::kExact,
                                  .seed = static_cast<std::uint64_t>(max_m * 100 + groups)});
}

TEST(GroupedReportsDevice, RowGroupsWithBlocksAndTailsOfNobody) {
  Arena arena(std::int64_t{1} << 30);
  run_on_every_config(arena, {.form = Form::kRowGroup,
                              .m = 700,
                              .n = 576,
                              .k = 576,
                              .num_groups = 4,
                              .spare_rows = 10'000});
  run_on_every_config(arena, {.form = Form::kRowGroup,
                              .m = 700,
                              .n = 584,
                              .k = 576,
                              .num_groups = 4,
                              .zero_padding = true,
                              .spare_rows = 300});
  // One unaligned row of one group against wide weights, and odd numbers of rows.
  for (const std::int64_t m : {1, 7, 9, 129})
    run_on_every_config(arena,
                        {.form = Form::kOffsets, .m = m, .n = 24576, .k = 1536, .num_groups = 1});
  run_on_every_config(arena, {.form = Form::kOffsets,
                              .m = 333,
                              .n = 264,
                              .k = 1152,
                              .num_groups = 5,
                              .scale_a_order = reference::ScaleOrder::kKContiguous});
}

TEST(GroupedReportsDevice, ARankWithoutTokens) {
  Arena arena(std::int64_t{1} << 28);
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked})
    for (const std::int64_t spare : {0, 200}) {
      Spec spec{.form = form, .m = 0, .n = 256, .k = 512, .num_groups = 8, .spare_rows = spare};
      if (form == Form::kMasked) {
        spec.m = spare == 0 ? 8 : 64;
        spec.index.assign(8, 0);
      }
      run_on_every_config(arena, spec);
    }
}

// Scales of A whose rows are no multiple of four, along m and along k; one group.
TEST(GroupedReportsDevice, OddNumbersOfScales) {
  Arena arena(std::int64_t{1} << 28);
  for (const auto order :
       {reference::ScaleOrder::kRowsContiguous, reference::ScaleOrder::kKContiguous})
    for (const Form form : {Form::kOffsets, Form::kMasked})
      run_on_every_config(
          arena,
          {.form = form, .m = 131, .n = 392, .k = 700, .num_groups = 1, .scale_a_order = order});
}

/// k, or what a config computes that takes whole laps of its ring only.
std::int64_t fitting_k(const plan::GemmConfig& config, std::int64_t k) {
  return config.whole_laps ? config.num_stages * 128 : k;
}

// Rows of nobody hold NaN, then numbers: the rows of groups keep their bits.
TEST(GroupedPoisonDevice, ValidRowsKeepTheirBits) {
  Arena arena(std::int64_t{1} << 28);
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    for (const plan::GemmConfig& config : plan::gemm_configs()) {
      if (!config.grouped || config.scale_b == device::gemm::ScaleB::k1x128) continue;
      std::vector<unsigned char> rows[2];
      for (const bool poison : {false, true}) {
        arena.reset();
        const Spec spec{.form = form,
                        .m = form == Form::kMasked ? 130 : 500,
                        .n = 392,
                        .k = fitting_k(config, 700),
                        .num_groups = 6,
                        .alignment = 64,
                        .seed = 5,
                        .spare_rows = form == Form::kMasked ? 0 : 90};
        GroupedProblem problem(arena, spec, {.poison = poison});
        GemmOptions options = problem.options();
        options.config = plan::gemm_tag(config);
        run_and_judge(problem, options);
        rows[poison ? 1 : 0] = problem.valid_d();
      }
      EXPECT_EQ(rows[0], rows[1]) << plan::gemm_tag(config);
      Summary::instance().count("poisoned pairs");
    }
  }
}

// batch_invariant: the planner may take any of these for a row, swapped operands or not.
TEST(GroupedPoisonDevice, AllConfigsGiveTheSameBits) {
  Arena arena(std::int64_t{1} << 28);
  arena.reset();
  GroupedProblem problem(
      arena, {.form = Form::kOffsets, .m = 500, .n = 584, .k = 1024, .num_groups = 7, .seed = 9});
  std::vector<unsigned char> first;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    if (!config.grouped || config.scale_b == device::gemm::ScaleB::k1x128) continue;
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    options.batch_invariant = true;
    run_and_judge(problem, options);
    const auto rows = problem.valid_d();
    if (first.empty()) first = rows;
    EXPECT_EQ(rows, first) << plan::gemm_tag(config);
  }
}

std::vector<std::int64_t> shifted(const std::vector<std::int64_t>& index, Form form, int replay) {
  std::vector<std::int64_t> other = index;
  if (replay == 3) {  // nobody has a row
    std::fill(other.begin(), other.end(), form == Form::kRowGroup ? -1 : 0);
    return other;
  }
  if (form == Form::kRowGroup) {  // other groups for the same blocks
    for (std::int64_t& group : other) group = group < 0 ? group : (group + replay) % 6;
  } else if (form == Form::kMasked) {
    std::rotate(other.begin(), other.begin() + replay, other.end());
  } else {
    for (std::int64_t& end : other) end = end / (replay + 1) / 64 * 64;
  }
  return other;
}

TEST(GroupedGraphDevice, CapturedOnceReplayedWithOtherGroups) {
  Arena arena(std::int64_t{1} << 28);
  const cuda::Stream stream(Oracle::instance().device());
  for (const Form form : {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    for (const std::int64_t expected : {0, 8}) {
      arena.reset();
      GroupedProblem problem(arena,
                             {.form = form,
                              .m = form == Form::kMasked ? 200 : 640,
                              .n = 520,
                              .k = 1152,
                              .num_groups = 6,
                              .alignment = 64,
                              .spare_rows = 64},
                             {.expected_m = expected});
      const std::vector<std::int64_t> index = problem.groups().index;
      const GemmPlan plan =
          plan_gemm(Oracle::instance().context(), problem.operands(), problem.options());
      plan.launch(stream.handle());
      stream.synchronize();
      stream.begin_capture();
      plan.launch(stream.handle());
      const cuda::abi::GraphExec graph = stream.end_capture();
      for (int replay = 0; replay < 4; ++replay) {
        problem.refill(shifted(index, form, replay), static_cast<std::uint64_t>(90 + replay),
                       stream.handle());
        problem.reset_d(stream.handle());
        stream.replay(graph);
        const Verdict verdict = problem.judge(plan.config(), stream.handle());
        EXPECT_TRUE(verdict.passed) << "replay " << replay << ": " << verdict.text;
        Summary::instance().count("grouped replays");
      }
      stream.destroy_graph(graph);
    }
  }
}

TEST(GroupedLargeDevice, MoreThanTwoToThe31Elements) {
  Arena arena(std::int64_t{12} << 30);
  // D of all groups: 3.2e9 elements. B of all experts: 2.7e9.
  const Spec cases[] = {
      {.form = Form::kMasked,
       .m = 32'768,
       .n = 3072,
       .k = 128,
       .index = std::vector<std::int64_t>(32, 40)},
      {.form = Form::kOffsets, .m = 600, .n = 7168, .k = 2048, .num_groups = 184}};
  for (const Spec& spec : cases) {
    arena.reset();
    GroupedProblem problem(arena, spec, {.expected_m = 40});
    run_and_judge(problem, problem.options());
  }
}

// Routed rows of long sequences: A, then D, of more than 2^31 elements.
TEST(GroupedLargeDevice, ManyRoutedRowsOnEveryConfig) {
  Arena arena(std::int64_t{12} << 30);
  run_on_every_config(
      arena, {.form = Form::kOffsets, .m = 1'310'000, .n = 24, .k = 4096, .num_groups = 64});
  run_on_every_config(
      arena, {.form = Form::kOffsets, .m = 524'416, .n = 4104, .k = 128, .num_groups = 32});
}

// Short, for runs under a tool that slows the GPU by orders of magnitude: every config and form,
// tails of n and k, empty groups, several tiles for each CTA.
TEST(GroupedSanitizerDevice, EveryConfigAndForm) {
  Arena arena(std::int64_t{1} << 26);
  int i = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    if (!config.grouped) continue;
    const Form form = static_cast<Form>(1 + i++ % 4);
    arena.reset();
    GroupedProblem problem(arena, {.form = form,
                                   .m = form == Form::kMasked ? 70 : 150,
                                   .n = 296,
                                   .k = fitting_k(config, 300),
                                   .num_groups = 4,
                                   .alignment = 32,
                                   .scale_b_block = config.scale_b == device::gemm::ScaleB::k1x128
                                                        ? plan::ScaleBBlock::k1x128
                                                        : plan::ScaleBBlock::k128x128,
                                   .zero_padding = form == Form::kRowGroup});
    GemmOptions options = problem.options();
    options.config = plan::gemm_tag(config);
    options.max_sms = 2;
    run_and_judge(problem, options);
  }
}

}  // namespace
}  // namespace fathom::testing
