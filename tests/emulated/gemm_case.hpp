// One product, dense or grouped, in the emulator: operands from a seed, tensor maps in the
// emulator's encoding, the run, the judgement against the reference. Test support.
#pragma once

#include <string>

#include "emulator/launch.hpp"
#include "gemm/config.hpp"
#include "reference/problem_data.hpp"

namespace fathom::testing {

struct EmulatedKernel {
  device::gemm::Config config;
  emulator::KernelEntry entry;
};

/// What one run of one problem showed.
struct EmulatedResult {
  emulator::Report report;
  std::string wrong;  ///< empty, or in what D differs from the reference
  /// All is well: no findings, D right.
  bool passed() const { return report.clean() && wrong.empty(); }
  std::string text() const { return wrong + report.text(); }
};

struct EmulatedLaunch {
  int max_ctas = 132;  ///< few of them make each walk over several tiles
  /// The attribute of programmatic launches, and weights that no earlier kernel writes.
  bool programmatic = false;
};

class GemmCase {
 public:
  GemmCase(const EmulatedKernel& kernel, const reference::ProblemSpec& spec,
           EmulatedLaunch launch = {});
  EmulatedResult run(const emulator::Options& options);
  EmulatedResult run(std::uint64_t seed);
  /// Writes over the group metadata, without the checks of its rules: what D becomes is not judged.
  emulator::Report run_with_index(const std::vector<std::int64_t>& index, std::uint64_t seed);

 private:
  emulator::Report launch(const emulator::Options& options);
  std::string judge();

  EmulatedKernel kernel_;
  reference::ProblemData data_;
  EmulatedLaunch launch_;
  std::vector<double> exact_, magnitude_;
  std::vector<std::byte> right_bits_;  // kExact: D's memory as it must be
};

}  // namespace fathom::testing
