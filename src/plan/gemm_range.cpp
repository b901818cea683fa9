// Sweeps a range of m with the planner itself, so that its answer is the planner's. Planning layer:
// pure.
#include "plan/gemm_range.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <fathom/error.hpp>

#include "base/math.hpp"
#include "plan/gemm_planner.hpp"

namespace fathom::plan {
namespace {

constexpr std::int64_t kMaxExtent = (std::int64_t{1} << 31) - 1;
// A plan takes some 20 us: a range of this length takes seconds.
constexpr std::int64_t kMaxLength = std::int64_t{1} << 18;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "gemm_configs: " + what);
}

void require(const char* name, std::int64_t value, std::int64_t least) {
  if (value < least || value > kMaxExtent)
    refuse(fmt::format("{} is {}; it needs {} to 2^31 - 1", name, value, least));
}

void check(const GemmRange& range) {
  require("n", range.n, 1);
  require("k", range.k, 0);
  require("num_groups", range.num_groups, 1);
  require("max_sms", range.max_sms, 0);
  require("min_m", range.min_m, 0);
  require("max_m", range.max_m, 0);
  if (range.max_m < range.min_m)
    refuse(fmt::format("the range of m is {} to {}; its end must not lie before its start",
                       range.min_m, range.max_m));
  if (range.max_m - range.min_m >= kMaxLength)
    refuse(
        fmt::format("the range of m is {} to {}; one call takes at most {} values: ask for it "
                    "in parts",
                    range.min_m, range.max_m, kMaxLength));
  if (range.form < Groups::Form::kNone || range.form > Groups::Form::kMasked)
    refuse(fmt::format("form is {}; it needs one of the values of Groups::Form, 0 to 4",
                       static_cast<int>(range.form)));
  if (range.form == Groups::Form::kNone && range.num_groups != 1)
    refuse(fmt::format("num_groups is {} and form is none; the dense product has one: set a form",
                       range.num_groups));
  const bool aligned =
      range.form == Groups::Form::kRowGroup || range.form == Groups::Form::kGroupEnd;
  if (aligned && !is_group_alignment(range.alignment))
    refuse(fmt::format("alignment is {}; it needs 16, 32, 64, 128 or 256", range.alignment));
}

/// Rows of the range to one row expected in a group.
std::int64_t rows_a_hint(const GemmRange& range) {
  return range.form == Groups::Form::kMasked ? 1 : range.num_groups;
}

/// The call whose hint asks for m rows of the range, in buffers of more; how many more, changes
/// nothing.
GemmProblem hinted(const GemmRange& range, std::int64_t m) {
  GemmProblem p = problem_of(range, m + 1);
  p.expected_m = m / rows_a_hint(range);
  return p;
}

}  // namespace

GemmProblem problem_of(const GemmRange& range, std::int64_t m) {
  GemmProblem p;
  p.form = range.form;
  p.m = m;
  p.n = range.n;
  p.k = range.k;
  p.num_groups = range.num_groups;
  p.alignment = range.alignment;
  p.scale_b_block = range.scale_b_1x128 ? ScaleBBlock::k1x128 : ScaleBBlock::k128x128;
  p.out = range.out;
  p.batch_invariant = range.batch_invariant;
  p.max_sms = range.max_sms;
  const std::int64_t pitch = round_up<std::int64_t>(std::max<std::int64_t>(range.k, 1), 16);
  const std::int64_t scale_pitch = round_up<std::int64_t>(std::max<std::int64_t>(m, 1), 4);
  const std::int64_t d_pitch = round_up<std::int64_t>(range.n, 8);
  const bool masked = range.form == Groups::Form::kMasked;
  const std::int64_t scale_rows = range.scale_b_1x128 ? range.n : p.n_blocks();
  p.a = {m, range.k, pitch, 1, masked ? m * pitch : 0};
  p.scale_a = {m, p.k_blocks(), 1, scale_pitch, masked ? scale_pitch * p.k_blocks() : 0};
  p.b = {range.n, range.k, pitch, 1, p.grouped() ? range.n * pitch : 0};
  p.scale_b = {scale_rows, p.k_blocks(), p.k_blocks(), 1,
               p.grouped() ? scale_rows * p.k_blocks() : 0};
  p.d = {m, range.n, d_pitch, 1, masked ? m * d_pitch : 0};
  p.scale_a_aligned = p.scale_b_aligned = true;
  return p;
}

std::vector<GemmConfig> configs_for(const GemmRange& range, const DeviceSpec& device) {
  check(range);
  std::vector<bool> chosen(gemm_configs().size());
  const auto choose = [&](const GemmProblem& problem) {
    const GemmPlan plan = plan_gemm(problem, device);
    if (!plan.launches()) return;
    const auto found = std::find(gemm_configs().begin(), gemm_configs().end(), plan.config);
    chosen[static_cast<std::size_t>(found - gemm_configs().begin())] = true;
  };
  for (std::int64_t m = range.min_m; m <= range.max_m; ++m) {
    choose(problem_of(range, m));
    if (range.form != Groups::Form::kNone && m > 0 && m % rows_a_hint(range) == 0)
      choose(hinted(range, m));
  }
  std::vector<GemmConfig> configs;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i]) configs.push_back(gemm_configs()[i]);
  return configs;
}

}  // namespace fathom::plan
