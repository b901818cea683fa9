// Puts the L2 cache into a known state before a timed call. Benchmark layer.
#pragma once

#include <optional>

#include <fathom/context.hpp>

#include "cuda/launch.hpp"
#include "cuda/memory.hpp"
#include "cupti.hpp"
#include "gpu_bench.hpp"

namespace fathom::bench {

class L2Flush {
 public:
  /// Allocates the memory that is written or read; kRead compiles a kernel that reads.
  L2Flush(const Context& context, const cuda::Device& device, Flush flush);

  /// Enqueues the flush. Its last activity is the one that ends_with() knows.
  void run(cuda::abi::Stream stream);
  /// Whether this is the last activity of a flush: what follows belongs to the timed call.
  bool ends_with(const Activity& activity) const;
  /// Whether this activity belongs to a flush.
  bool contains(const Activity& activity) const;

 private:
  Flush flush_;
  cuda::Buffer memory_;
  cuda::Buffer mark_;
  std::optional<cuda::Function> read_;
};

}  // namespace fathom::bench
