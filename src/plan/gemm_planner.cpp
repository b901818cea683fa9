// The planner: filters the closed set, prices what is left, takes the cheapest. Planning layer:
// pure.
#include "plan/gemm_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <fathom/error.hpp>

#include "gemm/smem.hpp"

namespace fathom::plan {
namespace {

using device::gemm::LaunchShape;
using device::gemm::Output;
using device::gemm::ScaleB;

int sm_budget(const GemmProblem& problem, const DeviceSpec& device) {
  return problem.max_sms > 0 ? std::min(problem.max_sms, device.num_sms) : device.num_sms;
}

/// CTAs that may be resident at once. Under a budget each CTA counts as a whole SM, since nothing
/// keeps the card from spreading two of them.
std::int64_t cta_room(const GemmConfig& config, int sms, const DeviceSpec& device) {
  const int resident = device.resident_ctas(config.cluster_size());
  return sms < device.num_sms ? std::min(sms, resident) : resident * config.ctas_per_sm;
}

Output output_of(const GemmProblem& problem) {
  return problem.out == DType::kFp32 ? Output::kFp32 : Output::kBf16;
}

ScaleB scale_b_of(const GemmProblem& problem) {
  return problem.scale_b_block == ScaleBBlock::k1x128 ? ScaleB::k1x128 : ScaleB::k128x128;
}

std::string sizes_text(const GemmProblem& p) {
  return fmt::format("m = {}, n = {}, k = {}{}", p.m, p.n, p.k,
                     p.grouped() ? fmt::format(" in {} groups", p.num_groups) : "");
}

device::gemm::GroupForm form_of(Groups::Form form) {
  return static_cast<device::gemm::GroupForm>(form);
}
static_assert(static_cast<int>(device::gemm::GroupForm::kMasked) ==
              static_cast<int>(Groups::Form::kMasked));

/// Rows expected in a group where something is known: the hint, an even share of the rows, or what
/// is less.
std::int64_t expected_rows(const GemmProblem& p) {
  if (p.form == Groups::Form::kMasked)
    return std::min(p.expected_m, std::max<std::int64_t>(p.m, 1));
  const std::int64_t share = ceil_div(std::max<std::int64_t>(p.m, 1), p.num_groups);
  return p.expected_m > 0 ? std::min(p.expected_m, share) : share;
}

device::gemm::Grouping grouping_of(const GemmProblem& p) {
  if (!p.grouped()) return {};
  return {.form = form_of(p.form),
          .num_groups = p.num_groups,
          .alignment = p.alignment,
          .expected_rows = expected_rows(p),
          .index_is_int64 = p.index_is_int64,
          .zero_padding = p.zero_padding,
          .a_stride = p.a.group_stride,
          .b_stride = p.b.group_stride,
          .d_stride = p.d.group_stride,
          .scale_a_stride = p.scale_a.group_stride,
          .scale_b_stride = p.scale_b.group_stride};
}

/// The row pitch; of matrices with one row the distance between groups, where both would do.
std::int64_t pitch_of(const MatrixLayout& layout) {
  return layout.rows <= 1 && layout.group_stride > 0 ? layout.group_stride : layout.row_stride;
}

void check_served(const GemmProblem& problem) {
  if (problem.out != DType::kBf16 && problem.out != DType::kFp32)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("gemm: d is {}; GPU kernels write bf16 or fp32", to_string(problem.out)));
}

/// Whether this config is made for problems of this kind, whatever their sizes.
bool right_kind(const GemmConfig& config, const GemmProblem& problem) {
  return config.output == output_of(problem) && config.scale_b == scale_b_of(problem) &&
         config.grouped == problem.grouped();
}

/// For a problem that no config computes: what is in the way of the first that is made for its
/// kind.
std::string why_none(const GemmProblem& problem, const DeviceSpec& device) {
  for (const GemmConfig& config : gemm_configs())
    if (right_kind(config, problem)) return why_not(config, problem, device);
  return "there are none for its output and scales";
}

GemmConfig forced_config(const GemmProblem& problem, const DeviceSpec& device) {
  const std::optional<GemmConfig> config = find_gemm_config(problem.config);
  if (!config)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("gemm: config \"{}\" is none of the {} configs; `fathom plan` lists "
                            "those that fit a problem",
                            problem.config, gemm_configs().size()));
  if (const std::string reason = why_not(*config, problem, device); !reason.empty())
    throw Error(ErrorCode::kUnsupported, fmt::format("gemm: config {} cannot compute {}: {}; leave "
                                                     "config empty, or take one that `fathom plan` "
                                                     "lists for this problem",
                                                     problem.config, sizes_text(problem), reason));
  return *config;
}

GemmCandidate price(const GemmConfig& config, const device::gemm::Sizes& sizes, int sms,
                    const DeviceSpec& device, const GemmCostCoefficients& coefficients) {
  const auto schedule =
      config.grouped ? device::gemm::make_grouped_schedule(
                           config, device::gemm::make_group_index(sizes, nullptr), sizes.n, 1)
                     : device::gemm::make_dense_schedule(config, sizes.m, sizes.n, {});
  const GemmCost cost =
      gemm_cost(config, sizes, cta_room(config, sms, device), sms, device, coefficients);
  const LaunchShape launch = device::gemm::launch_shape(
      config, schedule, cost.most_ctas, device::gemm::plan_smem(config).total_bytes);
  return {config, launch, cost};
}

/// CTAs that start at the same time are dealt out to the GPCs of the card in turn, and what SMs of
/// one GPC ask for together is cheaper (bench/journal.md, "which tiles a GPC gets"): where all
/// tiles are computed at once, each GPC should get a few rows and a few columns of them.
device::gemm::TileOrder order_of(const GemmCandidate& candidate, const device::gemm::Sizes& sizes) {
  constexpr int kGpcs = 8;
  constexpr int kRows = 4;
  const GemmConfig& config = candidate.config;
  if (config.grouped || config.resident() || candidate.cost.steps > 1)
    return {candidate.cost.band_tiles, false};
  const std::int64_t rows = ceil_div(sizes.m, device::gemm::unit_rows(config));
  if (rows == kRows - 1 || rows == kRows) return {kGpcs * config.cluster_n, true};
  return {std::min(kRows * config.cluster_m, candidate.cost.band_tiles), false};
}

/// Rounded, so that a last bit of the C library's pow cannot change the order.
long long sort_key(const GemmCandidate& candidate) {
  return std::llround(candidate.cost.total_us * 1e4);
}

GemmCostCoefficients coefficients_for(const GemmProblem& problem) {
  return problem.grouped() ? GemmCostCoefficients{} : dense_coefficients();
}

}  // namespace

GemmCandidate price_gemm(const GemmConfig& config, const GemmProblem& problem,
                         const DeviceSpec& device) {
  return price_gemm(config, problem, device, coefficients_for(problem));
}

GemmCandidate price_gemm(const GemmConfig& config, const GemmProblem& problem,
                         const DeviceSpec& device, const GemmCostCoefficients& coefficients) {
  return price(config, sizes_of(problem), sm_budget(problem, device), device, coefficients);
}

device::gemm::Sizes sizes_of(const GemmProblem& p) {
  device::gemm::Sizes sizes{.m = std::max<std::int64_t>(p.m, 1),
                            .n = std::max<std::int64_t>(p.n, 1),
                            .k = std::max<std::int64_t>(p.k, 1),
                            .a_pitch = pitch_of(p.a),
                            .b_pitch = pitch_of(p.b),
                            .d_pitch = pitch_of(p.d),
                            .scale_a_stride = p.scale_a.row_stride,
                            .scale_a_k_stride = p.scale_a.col_stride,
                            .scale_b_stride = p.scale_b.row_stride,
                            .scale_b_k_stride = p.scale_b.col_stride,
                            .groups = grouping_of(p)};
  if (p.k > 0) return sizes;
  // Tensors without elements: any lawful layout will do.
  sizes.a_pitch = sizes.b_pitch = 16;
  sizes.groups.a_stride = sizes.groups.b_stride = 0;
  sizes.groups.scale_a_stride = sizes.groups.scale_b_stride = 0;
  return sizes;
}

std::string why_not(const GemmConfig& config, const GemmProblem& problem,
                    const DeviceSpec& device) {
  if (config.output != output_of(problem))
    return fmt::format("it writes {}, d is {}", config.output == Output::kFp32 ? "fp32" : "bf16",
                       to_string(problem.out));
  if (config.scale_b != scale_b_of(problem))
    return config.scale_b == ScaleB::k1x128 ? "it takes scales of b by 1x128, these are 128x128"
                                            : "it takes scales of b by 128x128, these are 1x128";
  if (problem.batch_invariant && config.k_parts() > 1)
    return fmt::format("it adds {} partial sums of k, which batch_invariant forbids",
                       config.k_parts());
  if (const char* reason = device::gemm::why_unfit(config, sizes_of(problem))) return reason;
  if (const int bytes = device::gemm::plan_smem(config).total_bytes;
      bytes > device.smem_bytes_per_cta)
    return fmt::format("it needs {} bytes of shared memory, a CTA of {} has {}", bytes, device.name,
                       device.smem_bytes_per_cta);
  if (!device.kernels.empty() && !device.runs(gemm_kernel_name(config)))
    return fmt::format("{} runs {} kernels that are built into it, and its kernel is none of them",
                       device.name, device.kernels.size());
  const int sms = sm_budget(problem, device);
  if (config.cluster_size() > sms || device.resident_ctas(config.cluster_size()) == 0)
    return fmt::format("its clusters take {} SMs, the budget is {}", config.cluster_size(), sms);
  return {};
}

const GemmCandidate& GemmPlan::chosen() const {
  for (const GemmCandidate& candidate : candidates)
    if (candidate.config == config) return candidate;
  throw Error(ErrorCode::kInternal,
              "gemm: the plan's config is not among its candidates; report this");
}

GemmPlan plan_gemm(const GemmProblem& problem, const DeviceSpec& device) {
  return plan_gemm(problem, device, coefficients_for(problem));
}

GemmPlan plan_gemm(const GemmProblem& problem, const DeviceSpec& device,
                   const GemmCostCoefficients& coefficients) {
  check_served(problem);
  const device::gemm::Sizes sizes = sizes_of(problem);
  const int sms = sm_budget(problem, device);
  GemmPlan plan;
  plan.work = expected_work(sizes);
  plan.hinted = problem.expected_m > 0;
  plan.candidates.reserve(gemm_configs().size() + 1);
  for (const GemmConfig& config : gemm_configs())
    if (right_kind(config, problem) && why_not(config, problem, device).empty())
      plan.candidates.push_back(price(config, sizes, sms, device, coefficients));
  std::stable_sort(
      plan.candidates.begin(), plan.candidates.end(),
      [](const GemmCandidate& a, const GemmCandidate& b) { return sort_key(a) < sort_key(b); });
  if (plan.candidates.empty())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("gemm: no GPU kernel computes {} on {}: {}", sizes_text(problem),
                            device.name, why_none(problem, device)));
  plan.config = plan.candidates.front().config;
  if (!problem.config.empty()) {
    plan.config = forced_config(problem, device);
    plan.forced = true;
    // A debug kernel is not in the set: it is priced as its twin.
    if (plan.config.bounded_waits)
      plan.candidates.push_back(price(plan.config, sizes, sms, device, coefficients));
  }
  plan.launch = plan.chosen().launch;
  plan.order = order_of(plan.chosen(), sizes);
  // Without blocks of k D is cleared. Which rows of a grouped D, only the metadata says: that takes
  // the kernel, on operands of zeros.
  if (problem.m == 0 || problem.n == 0 || (problem.k == 0 && !problem.grouped()))
    plan.launch.grid = 0;
  return plan;
}

}  // namespace fathom::plan
