// A product whose operands lie in host memory, on any backend. Command-line layer.
#pragma once

#include <cstdint>
#include <fathom/gemm.hpp>
#include <string>

namespace fathom::cli {

struct GemmRun {
  Backend backend = Backend::kAuto;
  std::string config;
  double seconds = 0;  ///< of the launch, without planning, compiling and copying
};

/// Memory that D lies in, where more of it than D itself is to be watched.
struct HostMemory {
  void* data = nullptr;
  std::int64_t bytes = 0;
};

/// Computes D. For Backend::kCuda the operands travel to the first device and D, or all of
/// `d_memory`, comes back. Backend::kAuto takes the GPU where there is a Hopper GPU that can do it,
/// else the cpu.
GemmRun run_gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options,
                 HostMemory d_memory = {});

}  // namespace fathom::cli
