// Which kernel computes a GEMM, and how it is launched: a pure function of problem and device.
// Planning layer: pure; no CUDA, no files, no clock, no globals.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gemm/launch.hpp"
#include "plan/device_spec.hpp"
#include "plan/gemm_configs.hpp"
#include "plan/gemm_cost.hpp"
#include "plan/gemm_problem.hpp"
#include "plan/gemm_work.hpp"

namespace fathom::plan {

/// A config that could compute the problem, and what the model says of it.
struct GemmCandidate {
  GemmConfig config;
  device::gemm::LaunchShape launch;
  GemmCost cost;
};

struct GemmPlan {
  GemmConfig config;
  device::gemm::LaunchShape launch;       ///< grid = 0 when there is nothing to launch: no rows, or
                                          ///< (dense) k = 0
  device::gemm::TileOrder order;          ///< for device::gemm::make_params
  GemmWork work;                          ///< what the costs assume
  bool hinted = false;                    ///< by the caller's expected_m
  bool forced = false;                    ///< the caller named the config
  std::vector<GemmCandidate> candidates;  ///< every config that could run, cheapest first

  bool launches() const { return launch.grid > 0; }
  const GemmCandidate& chosen() const;  ///< the entry of `candidates` that `config` names
};

/// Throws Error(kInvalidArgument) for an unknown forced tag and Error(kUnsupported), with the
/// reason, for a problem or a forced config that no kernel serves.
GemmPlan plan_gemm(const GemmProblem& problem, const DeviceSpec& device);
/// The same by other coefficients.
GemmPlan plan_gemm(const GemmProblem& problem, const DeviceSpec& device,
                   const GemmCostCoefficients& coefficients);

/// The launch and modelled cost of one config, which why_not must have passed.
GemmCandidate price_gemm(const GemmConfig& config, const GemmProblem& problem,
                         const DeviceSpec& device);
GemmCandidate price_gemm(const GemmConfig& config, const GemmProblem& problem,
                         const DeviceSpec& device, const GemmCostCoefficients& coefficients);

/// Why this config cannot compute this problem on this device; empty when it can.
std::string why_not(const GemmConfig& config, const GemmProblem& problem, const DeviceSpec& device);

/// The sizes and strides that device/gemm needs; zero extents count as one.
device::gemm::Sizes sizes_of(const GemmProblem& problem);

/// {"config": {...}, "launch": {...}, "candidates": [...], "why": "..."}: the same text for the
/// same plan.
std::string plan_json(const GemmPlan& plan);
/// The same for people: one line a candidate, cheapest first, at most `max_candidates` of them.
std::string plan_table(const GemmPlan& plan, std::size_t max_candidates = 20);
/// One sentence: what was chosen, what binds it, what came next.
std::string why_text(const GemmPlan& plan);

}  // namespace fathom::plan
