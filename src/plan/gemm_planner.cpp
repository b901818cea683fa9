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
  return fmt::format("m = {}, n = {}, k = {}", p.m, p.n, p.k);
}

void check_served(const GemmProblem& problem) {
  if (problem.grouped())
    throw Error(ErrorCode::kUnsupported,
                "gemm: the problem is grouped; there are GPU kernels for dense products only: loop "
                "over the groups, or use "
                "the CPU backend");
  if (problem.out != DType::kBf16 && problem.out != DType::kFp32)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("gemm: d is {}; GPU kernels write bf16 or fp32", to_string(problem.out)));
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
  const auto schedule = device::gemm::make_dense_schedule(config, sizes.m, sizes.n, 1);
  const LaunchShape launch = device::gemm::launch_shape(
      config, schedule, cta_room(config, sms, device), device::gemm::plan_smem(config).total_bytes);
  return {config, launch, gemm_cost(config, sizes, launch, sms, device, coefficients)};
}

/// Rounded, so that a last bit of the C library's pow cannot change the order.
long long sort_key(const GemmCandidate& candidate) {
  return std::llround(candidate.cost.total_us * 1e4);
}

}  // namespace

GemmCandidate price_gemm(const GemmConfig& config, const GemmProblem& problem,
                         const DeviceSpec& device, const GemmCostCoefficients& coefficients) {
  return price(config, sizes_of(problem), sm_budget(problem, device), device, coefficients);
}

device::gemm::Sizes sizes_of(const GemmProblem& p) {
  return {.m = std::max<std::int64_t>(p.m, 1),
          .n = std::max<std::int64_t>(p.n, 1),
          .k = std::max<std::int64_t>(p.k, 1),
          .a_pitch = p.a.row_stride,
          .b_pitch = p.b.row_stride,
          .d_pitch = p.d.row_stride,
          .scale_a_stride = p.scale_a.row_stride,
          .scale_a_k_stride = p.scale_a.col_stride,
          .scale_b_stride = p.scale_b.row_stride,
          .scale_b_k_stride = p.scale_b.col_stride};
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

GemmPlan plan_gemm(const GemmProblem& problem, const DeviceSpec& device,
                   const GemmCostCoefficients& coefficients) {
  check_served(problem);
  const device::gemm::Sizes sizes = sizes_of(problem);
  const int sms = sm_budget(problem, device);
  GemmPlan plan;
  plan.candidates.reserve(gemm_configs().size() + 1);
  for (const GemmConfig& config : gemm_configs())
    if (config.output == output_of(problem) && config.scale_b == scale_b_of(problem) &&
        why_not(config, problem, device).empty())
      plan.candidates.push_back(price(config, sizes, sms, device, coefficients));
  std::stable_sort(
      plan.candidates.begin(), plan.candidates.end(),
      [](const GemmCandidate& a, const GemmCandidate& b) { return sort_key(a) < sort_key(b); });
  if (plan.candidates.empty())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("gemm: no GPU kernel computes {} on {}: {}", sizes_text(problem),
                            device.name, why_not(gemm_configs().front(), problem, device)));
  plan.config = plan.candidates.front().config;
  if (!problem.config.empty()) {
    plan.config = forced_config(problem, device);
    plan.forced = true;
    // A debug kernel is not in the set: it is priced as its twin.
    if (plan.config.bounded_waits)
      plan.candidates.push_back(price(plan.config, sizes, sms, device, coefficients));
  }
  plan.launch = plan.chosen().launch;
  plan.band_tiles = plan.chosen().cost.band_tiles;
  if (problem.m == 0 || problem.n == 0 || problem.k == 0) plan.launch.grid = 0;
  return plan;
}

}  // namespace fathom::plan
