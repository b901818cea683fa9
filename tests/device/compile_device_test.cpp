// The closed set compiled on this machine, before anything else runs: from here on every kernel
// comes from the cache.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "api/cuda_runtime.hpp"
#include "device/oracle.hpp"
#include "device/summary.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::testing {
namespace {

TEST(CompileDevice, ClosedSet) {
  jit::Builder& builder = api::cuda_runtime(Oracle::instance().context()).builder;
  const auto configs = plan::gemm_configs();
  std::vector<std::string> errors(configs.size());
  std::vector<double> milliseconds(configs.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < configs.size(); i = next++) {
      try {
        const auto kernel =
            builder.build(plan::gemm_kernel_name(configs[i]), plan::gemm_source(configs[i]));
        milliseconds[i] = kernel->milliseconds;
        if (kernel->use.spill_bytes != 0)
          errors[i] = fmt::format("{} bytes spilled", kernel->use.spill_bytes);
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t)
    threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < configs.size(); ++i)
    EXPECT_EQ(errors[i], "") << plan::gemm_tag(configs[i]);
  std::sort(milliseconds.begin(), milliseconds.end());
  Summary::instance().note(
      "build", fmt::format("{} kernels with {} threads, each {:.0f} ms (median), {:.0f} ms (worst)",
                           configs.size(), threads.size(), milliseconds[configs.size() / 2],
                           milliseconds.back()));
}

}  // namespace
}  // namespace fathom::testing
