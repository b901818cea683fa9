// See gpu_timer.hpp.
#include "gpu_timer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <fathom/error.hpp>

namespace fathom::bench {

std::vector<double> GpuTimer::times(const Launch& launch, int iterations,
                                    const std::string& name) const {
  return cupti != nullptr ? by_cupti(launch, iterations, name) : by_events(launch, iterations);
}

/// Kernel time of each call: the sum over the kernels between one flush and the next.
std::vector<double> GpuTimer::by_cupti(const Launch& launch, int iterations,
                                       const std::string& name) const {
  cupti->start();
  for (int i = 0; i < iterations; ++i) {
    flush.run(stream.handle());
    launch(stream.handle());
  }
  stream.synchronize();
  std::vector<double> times;
  for (const Activity& activity : cupti->stop()) {
    if (flush.ends_with(activity)) {
      times.push_back(0.0);
    } else if (!times.empty() && !flush.contains(activity)) {
      times.back() += static_cast<double>(activity.end_ns - activity.start_ns) * 1e-3;
    }
  }
  if (static_cast<int>(times.size()) != iterations ||
      std::ranges::any_of(times, [](double us) { return us <= 0; }))
    throw Error(ErrorCode::kDriver,
                fmt::format("bench: CUPTI recorded {} of {} calls of {}; another profiler may be "
                            "active, --timer event does without CUPTI",
                            times.size(), iterations, name));
  return times;
}

std::vector<double> GpuTimer::by_events(const Launch& launch, int iterations) const {
  cuda::Event start(device), end(device);
  std::vector<double> times;
  for (int i = 0; i < iterations; ++i) {
    flush.run(stream.handle());
    start.record(stream.handle());
    launch(stream.handle());
    end.record(stream.handle());
    end.synchronize();
    times.push_back(static_cast<double>(end.milliseconds_since(start)) * 1e3);
  }
  return times;
}

}  // namespace fathom::bench
