// Times launches on a GPU, each after a flush of the L2 cache. Benchmark layer.
#pragma once

#include <functional>
#include <vector>

#include "cuda/memory.hpp"
#include "cupti.hpp"
#include "l2_flush.hpp"

namespace fathom::bench {

using Launch = std::function<void(void* stream)>;

struct GpuTimer {
  Cupti* cupti;  ///< null: events, which include launch gaps
  const cuda::Device& device;
  const cuda::Stream& stream;
  L2Flush& flush;

  /// Microseconds of `iterations` calls. `name` goes into messages.
  std::vector<double> times(const Launch& launch, int iterations, const std::string& name) const;

 private:
  std::vector<double> by_cupti(const Launch& launch, int iterations, const std::string& name) const;
  std::vector<double> by_events(const Launch& launch, int iterations) const;
};

}  // namespace fathom::bench
