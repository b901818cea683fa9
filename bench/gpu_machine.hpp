// What the GPU benchmarks share: the GPU with its clock, flush and vendor library, and how one
// contender is timed round by round. Benchmark layer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cublaslt.hpp"
#include "cuda/driver.hpp"
#include "cuda/memory.hpp"
#include "cupti.hpp"
#include "gpu_bench.hpp"
#include "gpu_timer.hpp"
#include "l2_flush.hpp"

namespace fathom::bench {

class GpuMachine {
 public:
  /// Throws Error when there is no Hopper GPU. CUPTI and cuBLASLt may be missing: conditions() says
  /// why.
  GpuMachine(const Context& context, const GpuBenchOptions& options);

  const Context& context() const { return context_; }
  const GpuBenchOptions& options() const { return options_; }
  const cuda::Device& device() const { return device_; }
  const cuda::Stream& stream() const { return stream_; }
  GpuTimer timer() { return {cupti_.get(), device_, stream_, flush_}; }
  const BenchConditions& conditions() const { return conditions_; }
  /// A call of cuBLASLt's; nothing, and why, when it cannot compute the product or is not there.
  Launch vendor_call(const VendorProduct& product, std::string* why_not);
  bool has_vendor() const { return vendor_ != nullptr; }
  /// The configs to time for a product, by tag: options().configs, or the planner's cheapest.
  std::vector<std::string> tags_for(const GemmOperands& operands) const;

 private:
  const Context& context_;
  const GpuBenchOptions& options_;
  std::string why_no_cupti_, why_no_vendor_;
  std::unique_ptr<Cupti> cupti_;  // first: it does best when it is loaded before contexts are made
  const cuda::Driver& driver_;
  const cuda::Device& device_;
  cuda::ContextGuard guard_;
  std::unique_ptr<CublasLt> vendor_;
  cuda::Stream stream_;
  L2Flush flush_;
  cuda::Buffer workspace_;  // the vendor's
  BenchConditions conditions_;
};

/// Something that can be timed: a name and a launch.
struct Runner {
  Contender result;
  Launch launch;               ///< empty when result.error says why
  std::vector<double> all_us;  ///< every timed call

  /// Rests, then times a round of calls.
  void run_round(GpuMachine& gpu);
  /// The result with its medians and bounds.
  Contender finished() const;
};

}  // namespace fathom::bench
