// The kernels that a range of calls can ask for. Planning layer: pure.
#pragma once

#include <vector>

#include <fathom/gemm.hpp>

#include "plan/device_spec.hpp"
#include "plan/gemm_configs.hpp"
#include "plan/gemm_problem.hpp"

namespace fathom::plan {

/// The config of every m of the range, each once, in the order of the set. range.device is not
/// read. Throws Error.
std::vector<GemmConfig> configs_for(const GemmRange& range, const DeviceSpec& device);

/// A call of the range, with operands as the library itself would lay them out.
GemmProblem problem_of(const GemmRange& range, std::int64_t m);

}  // namespace fathom::plan
