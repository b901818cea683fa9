// Host time of launching a bound plan beyond the bare driver call (operations.md, promise 10: under
// 1 us).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <vector>

#include "api/gemm_check.hpp"
#include "api/gemm_cuda.hpp"
#include "device/gpu_problem.hpp"
#include "device/summary.hpp"

namespace fathom::testing {
namespace {

constexpr int kBatch = 200;  // fewer than the driver queues before it makes the caller wait (1,024)
constexpr int kBatches = 50;

/// Median nanoseconds of one call over the batches.
double median_ns(const cuda::Stream& stream, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> samples;
  for (int batch = 0; batch < kBatches; ++batch) {
    stream.synchronize();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kBatch; ++i) call();
    samples.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
                      kBatch);
  }
  std::nth_element(samples.begin(), samples.begin() + kBatches / 2, samples.end());
  return samples[kBatches / 2];
}

TEST(HostCostDevice, LaunchOfABoundPlan) {
  Oracle& oracle = Oracle::instance();
  const cuda::Device& device = oracle.device();
  GpuProblem problem(oracle, {.m = 1, .n = 8, .k = 16});
  const GemmOptions options = problem.options();
  const GemmPlan plan = plan_gemm(oracle.context(), problem.operands(), options);
  api::CudaGemm bare =
      api::bind_cuda_gemm({oracle.context(), api::check_gemm(problem.operands(), options),
                           problem.operands(), options});
  ASSERT_EQ(bare.work, api::CudaGemmWork::kKernel);
  const cuda::Stream stream(device);
  const cuda::ContextGuard current(device);  // as in a process that uses the device
  cuda::abi::LaunchAttribute cluster{};
  cluster.id = cuda::abi::LaunchAttributeId::kClusterDimension;
  cluster.value.cluster = {bare.shape.cluster.x, 1, 1};
  const cuda::abi::LaunchConfig config{bare.shape.grid.x,
                                       1,
                                       1,
                                       bare.shape.block.x,
                                       1,
                                       1,
                                       static_cast<unsigned>(bare.shape.shared_bytes),
                                       stream.handle(),
                                       &cluster,
                                       bare.shape.cluster.x > 1 ? 1u : 0u};
  void* params[] = {&bare.params};
  const cuda::abi::Api& api = device.driver().api();
  double bare_ns = INFINITY, plan_ns = INFINITY;
  // The least of some rounds in turns: the first one warms both paths, and the machine has others
  // to serve.
  for (int round = 0; round < 5; ++round) {
    bare_ns = std::min(bare_ns, median_ns(stream, [&] {
                         api.launch_kernel_ex(&config, bare.function.handle, params, nullptr);
                       }));
    plan_ns = std::min(plan_ns, median_ns(stream, [&] { plan.launch(stream.handle()); }));
  }
  const double one_call_ns = median_ns(
      stream, [&] { gemm(oracle.context(), problem.operands(), options, stream.handle()); });
  stream.synchronize();
  Summary::instance().note(
      "launch ns", fmt::format("{:.0f} bare, {:.0f} bound plan, {:.0f} one-call gemm()", bare_ns,
                               plan_ns, one_call_ns));
  EXPECT_LT(plan_ns - bare_ns, 1000) << "bare " << bare_ns << " ns, plan " << plan_ns << " ns";
}

}  // namespace
}  // namespace fathom::testing
