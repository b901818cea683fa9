// Measured GEMM kernels (bench/results/*-gemm-configs.json) against the planner's cost
// model. Test support, shared with tests/fit/gemm_cost.cpp.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "plan/gemm_planner.hpp"

namespace fathom::testing {

/// What a planner knows of the groups of a product, and a name for what it does not: how the rows
/// were dealt.
struct TimedGroups {
  Groups::Form form = Groups::Form::kNone;
  std::int64_t count = 1, expected_m = 0;
  std::string name;

  auto operator<=>(const TimedGroups&) const = default;
};

struct GemmTiming {
  std::int64_t m = 0, n = 0, k = 0;
  plan::GemmConfig config;
  double us = 0;
  TimedGroups groups = {};
};

struct GemmTimings {
  plan::DeviceSpec device;
  std::vector<GemmTiming> rows;  ///< in the order of the file
};

/// A tag without its ring depth, which follows from the layout of shared memory:
/// "256x128_w2_cn2_bf16".
std::string tag_without_stages(std::string tag);

/// {"gpu": "NVIDIA H200, ...", "problems": [{"m", "n", "k", "us": {tag: microseconds, ...}}, ...]};
/// grouped problems say "layout", "groups", "expected_m" and "name" as well (masked: m = max_m).
/// The depth of the ring in a tag does not matter; tags that have left the closed set are passed
/// over. Throws std::runtime_error with path and reason.
GemmTimings read_gemm_timings(const std::string& path);

/// What the model says of a row, in us; 0 when the config is not one that could run.
double modelled_us(const GemmTiming& row, const plan::DeviceSpec& device,
                   const plan::GemmCostCoefficients& coefficients);

/// What choosing by the model costs on one problem, among the configs measured for it.
struct GemmRegret {
  GemmTiming chosen, best;
  double regret = 0;  ///< chosen.us / best.us - 1
};
std::vector<GemmRegret> gemm_regrets(const GemmTimings& timings,
                                     const plan::GemmCostCoefficients& coefficients);

}  // namespace fathom::testing
