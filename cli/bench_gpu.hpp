// fathom bench on a Hopper GPU: kernel times beside cuBLASLt's in one run. Command-line layer; must
// not include CLI11.
#pragma once

#include <fathom/context.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/gpu_bench.hpp"
#include "verb.hpp"

namespace fathom::cli {

struct GpuBenchFlags {
  std::string suite;  ///< empty = the shapes of the other flags
  std::string flush = "write";
  std::string timer = "cupti";
  std::vector<std::string> configs;  ///< tags, or "all"
  int candidates = 0;                ///< 0 = those of `configs`
  int rounds = 3;
  int rest_ms = 100;
  int vendor_workspace_mib = 1;
  bool no_vendor = false;
  bool batch_invariant = false;
  int sms = 0;
};

/// Declares the flags that only a GPU has a meaning for.
void add_gpu_bench_flags(CLI::App& verb, GpuBenchFlags& flags);

/// The shapes of --suite; empty without it.
std::vector<bench::DenseShape> suite_shapes(const GpuBenchFlags& flags);

struct GpuBenchRequest {
  std::vector<bench::DenseShape> shapes;
  int iterations = 0;                 ///< 0 = 20
  std::optional<std::string> output;  ///< JSON goes to this file too
};
bench::GpuBenchOptions gpu_bench_options(const GpuBenchFlags& flags, const GpuBenchRequest& request,
                                         const CommonFlags& common);
Report bench_on_gpu(const Context& context, const GpuBenchFlags& flags,
                    const GpuBenchRequest& request, const CommonFlags& common);

}  // namespace fathom::cli
