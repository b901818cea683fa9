// Times the CPU backends. Command-line layer.
#include "bench_cpu.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fathom/gemm.hpp>

#include "problem_flags.hpp"
#include "verify_spec.hpp"

namespace fathom::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Multiplications that the plain loops do in about half a second on one core.
constexpr std::int64_t kLoopsProducts = 200'000'000;
constexpr double kWantedSeconds = 1.0;
constexpr std::int64_t kLeastIterations = 3, kMostIterations = 1000;

double seconds_of(const GemmPlan& plan) {
  const auto start = Clock::now();
  plan.launch();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t extent_bytes(const TensorView& view) {
  return view.num_elements() * size_of(view.dtype);
}

std::int64_t operand_bytes(const GemmOperands& operands) {
  return extent_bytes(operands.a) + extent_bytes(operands.scale_a) + extent_bytes(operands.b) +
         extent_bytes(operands.scale_b) + extent_bytes(operands.d);
}

Timing measure(const GemmPlan& plan, std::int64_t iterations) {
  // The first call loads OpenBLAS, starts threads and touches memory: it only says how long a call
  // takes.
  plan.launch();
  const double one = std::max(1e-9, seconds_of(plan));
  if (iterations == 0) {
    iterations = std::clamp(static_cast<std::int64_t>(kWantedSeconds / one), kLeastIterations,
                            kMostIterations);
  }
  Timing timing;
  for (std::int64_t i = 0; i < iterations; ++i) timing.seconds.push_back(seconds_of(plan));
  std::sort(timing.seconds.begin(), timing.seconds.end());
  return timing;
}

void measure_loops(const Context& context, reference::ProblemSpec spec, BenchResult& result) {
  const std::int64_t row = std::max<std::int64_t>(1, spec.n * spec.k);
  spec.form = Groups::Form::kNone;
  spec.index.clear();
  spec.m = std::clamp<std::int64_t>(kLoopsProducts / row, 1, std::max<std::int64_t>(1, spec.m));
  const reference::ProblemData data(spec);
  GemmOptions options = data.options();
  options.backend = Backend::kReference;
  const double seconds = seconds_of(plan_gemm(context, data.operands(), options));
  result.loops_m = spec.m;
  result.loops_flops_per_second =
      2.0 * static_cast<double>(spec.m) * static_cast<double>(row) / std::max(1e-9, seconds);
}

}  // namespace

double Timing::at(double share) const {
  if (seconds.empty()) return 0;
  const double place = share * static_cast<double>(seconds.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, seconds.size() - 1);
  const double weight = place - std::floor(place);
  // In this form equal neighbours give exactly their value, so that quantiles never come out of
  // order.
  return seconds[low] + weight * (seconds[high] - seconds[low]);
}

BenchResult bench_on_cpu(const Context& context, const reference::ProblemSpec& spec,
                         const CpuBenchOptions& options) {
  const reference::ProblemData data(spec);
  const plan::GemmProblem& problem = data.problem();
  GemmOptions gemm_options = data.options();
  gemm_options.backend = options.backend;
  gemm_options.config = options.config;
  const GemmPlan plan = plan_gemm(context, data.operands(), gemm_options);
  BenchResult result;
  result.m = spec.m;
  result.n = spec.n;
  result.k = spec.k;
  result.layout = layout_name(spec.form);
  result.groups = problem.num_groups;
  result.out_dtype = to_string(spec.out);
  result.scale_b = spec.scale_b_block == plan::ScaleBBlock::k128x128 ? "128x128" : "1x128";
  result.backend = to_string(plan.backend());
  result.config = plan.config();
  result.clock = "wall";
  result.timing = measure(plan, options.iterations);
  result.flops = 2 * valid_rows(data) * spec.n * spec.k;
  result.bytes = operand_bytes(data.operands());
  if (options.loops) measure_loops(context, spec, result);
  return result;
}

}  // namespace fathom::cli
