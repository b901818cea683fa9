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

int& num_seeds() {
  static int seeds = 20;
  return seeds;
}

const Context& emulator_context() {
  static const Context context(ContextOptions{.libcuda = FATHOM_BINARY_DIR "/libcuda_emulator.so"});
  return context;
}

EmulatedCTest::EmulatedCTest() {
  fathom_context_options options = {};
  options.struct_size = sizeof options;
  options.libcuda = emulator_context().options().libcuda.c_str();
  EXPECT_EQ(fathom_context_create(&options, &context_), FATHOM_OK) << fathom_last_error_message();
}
EmulatedCTest::~EmulatedCTest() {
  fathom_context_destroy(context_);
}
const cuda::Device& EmulatedCTest::device() const {
  return cuda::Driver::load(emulator_context().options().libcuda).device(0);
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

EmulatedProduct::EmulatedProduct(const reference::ProblemSpec& spec, const GemmOptions& options)
    : data_(spec), options_(options) {
  options_.backend = Backend::kCuda;
  const auto elements = static_cast<std::size_t>(data_.d_rows() * data_.problem().n);
  exact_.resize(elements);
  magnitude_.resize(elements);
  reference::gemm_fp64(data_.problem(), data_.operands(), exact_.data());
  reference::gemm_magnitude(data_.problem(), data_.operands(), magnitude_.data());
}

EmulatedRun EmulatedProduct::run(std::uint64_t schedule_seed) {
  cuda::Driver::load(emulator_context().options().libcuda);
  static const cli::Emulator emulator(emulator_context().options().libcuda);
  emulator.set_seed(schedule_seed);
  data_.reset_d();
  EmulatedRun run;
  try {
    run.config = cli::run_gemm(emulator_context(), data_.operands(), options_,
                               {data_.d_memory().data(), data_.d_memory().bytes()})
                     .config;
    run.wrong = judge(run.config);
  } catch (const Error& error) {
    run.wrong = error.what();
  }
  run.trace_hash = std::stoull(emulator.trace_hash(), nullptr, 16);
  return run;
}

/// What is wrong with D, in words.
std::string EmulatedProduct::judge(const std::string& config) {
  const plan::GemmProblem& problem = data_.problem();
  const reference::Tolerance tolerance = reference::tolerance_of(problem.out, Backend::kCuda);
  const reference::Comparison comparison = reference::compare(
      problem, data_.groups(), data_.operands().d, exact_.data(), magnitude_.data(), tolerance);
  std::string wrong = data_.d_damage();
  if (!comparison.passed) wrong += comparison.text(problem, tolerance, config);
  return wrong;
}

}  // namespace fathom::testing
