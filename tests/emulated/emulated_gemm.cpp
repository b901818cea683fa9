// See emulated_gemm.hpp.
#include "emulated/emulated_gemm.hpp"

#include <bit>
#include <fathom/error.hpp>

#include "cuda/driver.hpp"
#include "emulator.hpp"
#include "gemm_run.hpp"
#include "ptx_cases/machine.hpp"
#include "reference/gemm.hpp"
#include "reference/tolerance.hpp"

namespace fathom::ptx_cases {

const Context& machine_context() {
  static const Context context(
      ContextOptions{.libcuda = FATHOM_BINARY_DIR "/libcuda_ptx_cases.so"});
  return context;
}

}  // namespace fathom::ptx_cases

namespace fathom::testing {
namespace {

/// What is wrong with D, in words.
std::string judge(const reference::ProblemData& data, const std::string& config) {
  const plan::GemmProblem& problem = data.problem();
  const auto elements = static_cast<std::size_t>(data.d_rows() * problem.n);
  // The reference adds to D where the product does, so it works on data of its own.
  const reference::ProblemData fresh(data.spec());
  std::vector<double> exact(elements), magnitude(elements);
  reference::gemm_fp64(problem, fresh.operands(), exact.data());
  reference::gemm_magnitude(problem, fresh.operands(), magnitude.data());
  const reference::Tolerance tolerance = reference::tolerance_of(problem.out, Backend::kCuda);
  const reference::Comparison comparison = reference::compare(
      problem, data.groups(), data.operands().d, exact.data(), magnitude.data(), tolerance);
  std::string wrong = data.d_damage();
  if (!comparison.passed) wrong += comparison.text(problem, tolerance, config);
  return wrong;
}

}  // namespace

int& num_seeds() {
  static int seeds = 20;
  return seeds;
}

const Context& emulator_context() {
  static const Context context(ContextOptions{.libcuda = FATHOM_BINARY_DIR "/libcuda_emulator.so"});
  return context;
}

std::vector<plan::GemmConfig> emulated_configs() {
  std::vector<plan::GemmConfig> configs;
  for (const std::string& name :
       cuda::Driver::load(emulator_context().options().libcuda).own_kernels()) {
    const std::string prefix = "fp8_gemm_";
    if (!name.starts_with(prefix)) continue;
    if (const auto config = plan::find_gemm_config(name.substr(prefix.size())))
      configs.push_back(*config);
  }
  return configs;
}

EmulatedRun run_emulated(const reference::ProblemSpec& spec, const GemmOptions& options,
                         std::uint64_t schedule_seed) {
  cuda::Driver::load(emulator_context().options().libcuda);
  static const cli::Emulator emulator(emulator_context().options().libcuda);
  emulator.set_seed(schedule_seed);
  reference::ProblemData data(spec);
  EmulatedRun run;
  try {
    GemmOptions on_cuda = options;
    on_cuda.backend = Backend::kCuda;
    run.config = cli::run_gemm(emulator_context(), data.operands(), on_cuda,
                               {data.d_memory().data(), data.d_memory().bytes()})
                     .config;
    run.wrong = judge(data, run.config);
  } catch (const Error& error) {
    run.wrong = error.what();
  }
  run.trace_hash = std::stoull(emulator.trace_hash(), nullptr, 16);
  return run;
}

}  // namespace fathom::testing
