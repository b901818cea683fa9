// Which backend a command uses, and a product on it whose operands lie in host memory. Command-line
// layer; must not include CLI11 headers.
#pragma once

#include <fathom/gemm.hpp>
#include <string>

#include "verb.hpp"

namespace fathom::cli {

/// From the environment; messages of the library go to standard error.
Context make_context();

/// What --backend names; for auto cuda where the machine has a Hopper GPU, else cpu. Throws
/// Error(kNoDevice) for cuda on a machine without a driver or a device.
Backend chosen_backend(const CommonFlags& flags, const Context& context);

/// Casts of the command line run where the files are read: on the reference where that was asked
/// for, else on the cpu.
Backend quantize_backend(Backend chosen);

struct GemmRun {
  Backend backend = Backend::kAuto;
  std::string config;
};

/// Computes D. For Backend::kCuda the operands travel to device 0 and D back.
GemmRun run_gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options);

}  // namespace fathom::cli
