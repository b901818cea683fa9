// Random grouped products: sizes, forms of metadata, empty groups, masks, configs, clusters and SM
// counts, all rows of nobody poisoned.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <vector>

#include <fathom/compile.hpp>

#include "device/grouped_problem.hpp"
#include "device/summary.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::testing {
namespace {

using reference::DataKind;
using reference::ScaleOrder;
using Form = Groups::Form;

std::vector<std::string> grouped_tags(bool per_row) {
  std::vector<std::string> tags;
  for (const plan::GemmConfig& c : plan::gemm_configs())
    if (c.grouped && (c.scale_b == device::gemm::ScaleB::k1x128) == per_row)
      tags.push_back(plan::gemm_tag(c));
  return tags;
}

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::int64_t from(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  bool one_in(int count) { return from(1, count) == 1; }
  template <typename T>
  T of(std::initializer_list<T> values) {
    return values.begin()[from(0, static_cast<std::int64_t>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 random_;
};

/// Small enough for thousands, odd enough to meet every edge.
reference::ProblemSpec random_spec(Dice& dice, std::uint64_t seed) {
  reference::ProblemSpec spec;
  spec.form = static_cast<Form>(dice.from(1, 4));
  spec.num_groups = dice.one_in(8) ? dice.from(17, 200) : dice.from(1, 12);
  const std::int64_t most_rows = spec.form == Form::kMasked ? 1200 / spec.num_groups + 1 : 900;
  spec.m = dice.one_in(12) ? 0 : dice.one_in(3) ? dice.from(1, 40) : dice.from(1, most_rows);
  if (spec.form == Form::kMasked) spec.m = std::min(std::max<std::int64_t>(spec.m, 1), most_rows);
  spec.n = dice.one_in(3) ? dice.from(1, 40) : dice.from(1, 520);
  spec.k = dice.one_in(40) ? 0 : dice.one_in(3) ? dice.from(1, 130) : dice.from(1, 900);
  spec.alignment = dice.of<std::int64_t>({16, 32, 64, 128, 256});
  spec.index_is_int64 = dice.one_in(2);
  spec.scale_b_block = dice.one_in(6) ? plan::ScaleBBlock::k1x128 : plan::ScaleBBlock::k128x128;
  spec.zero_padding = spec.form == Form::kRowGroup && dice.one_in(3);
  spec.data = dice.one_in(4) ? DataKind::kRandom : DataKind::kExact;
  spec.seed = seed;
  spec.scale_a_order = dice.one_in(3) ? ScaleOrder::kKContiguous : ScaleOrder::kRowsContiguous;
  spec.scale_b_order = dice.one_in(4) ? ScaleOrder::kRowsContiguous : ScaleOrder::kKContiguous;
  spec.extra_pitch = dice.one_in(4) ? 16 * dice.from(1, 4) : 0;
  if (spec.form != Form::kMasked) spec.spare_rows = dice.one_in(2) ? dice.from(0, 300) : 0;
  if (dice.one_in(10) && spec.form == Form::kOffsets) {  // one takes all
    const std::int64_t taker = dice.from(0, spec.num_groups - 1);
    spec.index = {0};
    for (std::int64_t g = 0; g < spec.num_groups; ++g)
      spec.index.push_back(spec.index.back() + (g == taker ? spec.m : 0));
  }
  if (dice.one_in(10) && spec.form == Form::kMasked) {  // all empty but one, or all empty
    spec.index.assign(static_cast<std::size_t>(spec.num_groups), 0);
    if (dice.one_in(2))
      spec.index[static_cast<std::size_t>(dice.from(0, spec.num_groups - 1))] = spec.m;
  }
  return spec;
}

/// FATHOM_FUZZ_CASES cases, 10,000 unless set; the seed of each is printed with its failure.
TEST(GroupedFuzzDevice, RandomCasesOnRandomConfigs) {
  const char* wanted = std::getenv("FATHOM_FUZZ_CASES");
  const int cases = wanted != nullptr ? std::atoi(wanted) : 10'000;
  const std::vector<std::string> by_block = grouped_tags(false), by_row = grouped_tags(true);
  std::vector<std::string> all = by_block;
  all.insert(all.end(), by_row.begin(), by_row.end());
  compile(Oracle::instance().context(), all);
  Arena arena(std::int64_t{1} << 30);
  Watchdog watchdog(20);
  int planned = 0, forced = 0, empty = 0;
  for (int i = 0; i < cases; ++i) {
    const auto seed = static_cast<std::uint64_t>(1'000'000 + i);
    Dice dice(seed);
    const reference::ProblemSpec spec = random_spec(dice, seed);
    arena.reset();
    GroupedProblem problem(arena, spec,
                           {.expected_m = dice.one_in(3) ? dice.from(1, 400) : 0,
                            .plane_gap = dice.one_in(4) ? dice.from(1, 9) : 0});
    GemmOptions options = problem.options();
    options.max_sms = static_cast<int>(dice.one_in(4) ? 0 : dice.from(1, 132));
    options.batch_invariant = dice.one_in(8);
    if (!dice.one_in(4)) {
      const auto& tags =
          spec.scale_b_block == plan::ScaleBBlock::k1x128 && spec.n > 1 ? by_row : by_block;
      options.config =
          tags[static_cast<std::size_t>(dice.from(0, static_cast<std::int64_t>(tags.size()) - 1))];
      if (can_implement(Oracle::instance().context(), problem.operands(), options))
        options.config.clear();  // a cluster that does not fit the SM budget, as a rule
    }
    watchdog.now(fmt::format("case {}: {} config \"{}\" sms {}", i, problem.text(), options.config,
                             options.max_sms));
    run_and_judge(problem, options);
    if (HasFailure()) FAIL() << "case " << i << " seed " << seed << " sms " << options.max_sms;
    ++(options.config.empty() ? planned : forced);
    if (problem.groups().valid_rows() == 0) ++empty;
  }
  Summary::instance().note("fuzz", fmt::format("{} cases ({} forced by name, {} planned, {} "
                                               "without a row)",
                                               cases, forced, planned, empty));
}

}  // namespace
}  // namespace fathom::testing
