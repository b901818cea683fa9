// GPU kernels before the first call that needs them: which there are, and compiling them ahead.
// Public layer; plain C++20.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <fathom/export.h>
#include <fathom/context.hpp>

namespace fathom {

/// The tags of all kernels of every family: the closed set. (gemm_configs of gemm.hpp: those that a
/// range of calls can ask for.)
FATHOM_API std::vector<std::string> all_configs();

struct CompileOptions {
  /// Kernels compiled at once; 0 = as many as the context has threads.
  int jobs = 0;
  /// Called after each kernel, from any thread, one call at a time. What it throws ends the
  /// compilation and comes out of compile().
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct CompiledKernel {
  std::string config;
  std::string name;  ///< in profiles
  std::int64_t bytes = 0;
  int registers = 0;
  std::int64_t spill_bytes = 0;
  double milliseconds = 0;  ///< to compile it, or to read it
  bool cached = false;      ///< it was there already
  bool on_disk = true;      ///< false: no cache could keep it; the context's log says why
};

/// Makes these kernels, in their order: from the cache, or compiled and put there. Needs no GPU; on
/// a machine with one, calls through this context find them in memory. Throws Error.
FATHOM_API std::vector<CompiledKernel> compile(const Context& context,
                                               const std::vector<std::string>& configs,
                                               const CompileOptions& options = {});

}  // namespace fathom
