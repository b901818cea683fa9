// Plan, launch, judge: the three lines that nearly every device test repeats. Test support.
#pragma once

#include <string>

#include "device/gpu_problem.hpp"

namespace fathom::testing {

/// Plans and launches the case by the public interface on the default stream, and judges D. Counts
/// in the summary. Fails the current test with the verdict's text when D is wrong. Returns the
/// config that ran.
std::string run_and_judge(GpuProblem& problem, const GemmOptions& options);

}  // namespace fathom::testing
