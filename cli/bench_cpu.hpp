// Times products whose operands lie in host memory. Command-line layer.
#pragma once

#include <fathom/context.hpp>

#include "bench_result.hpp"
#include "reference/problem_data.hpp"

namespace fathom::cli {

struct CpuBenchOptions {
  Backend backend = Backend::kAuto;
  std::string config;
  std::int64_t iterations = 0;  ///< 0 = as many as fit a second, from 3 to 1000
  bool loops = true;            ///< measure the plain loops beside it
};

BenchResult bench_on_cpu(const Context& context, const reference::ProblemSpec& spec,
                         const CpuBenchOptions& options);

}  // namespace fathom::cli
