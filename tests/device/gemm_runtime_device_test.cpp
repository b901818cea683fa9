// What surrounds a launch: graphs, threads and streams, SM budgets, determinism, very large
// tensors.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "device/checked_run.hpp"
#include "device/summary.hpp"

namespace fathom::testing {
namespace {

using reference::DataKind;

const Context& context() {
  return Oracle::instance().context();
}

void wait_for_device() {
  const cuda::Device& device = Oracle::instance().device();
  const cuda::ContextGuard guard(device);
  device.driver().check(device.driver().api().ctx_synchronize(), "cuCtxSynchronize",
                        "waiting for the device");
}

std::vector<unsigned char> bytes_of(const cuda::Buffer& buffer) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(buffer.bytes()));
  buffer.download(bytes.data(), buffer.bytes());
  return bytes;
}

TEST(RuntimeDevice, GraphCaptureAndReplayWithOtherContents) {
  for (const std::int64_t m : {1, 64, 1000}) {
    GpuProblem problem(Oracle::instance(), {.m = m, .n = 2112, .k = 7168});
    const cuda::Stream stream(Oracle::instance().device());
    const GemmPlan plan = plan_gemm(context(), problem.operands(), problem.options());
    wait_for_device();
    stream.begin_capture();
    plan.launch(stream.handle());
    const cuda::abi::GraphExec graph = stream.end_capture();
    for (const std::uint64_t seed : {11, 12, 13}) {
      problem.refill_a(seed, stream.handle());
      problem.reset_d(stream.handle());
      stream.replay(graph);
      const Verdict verdict = problem.judge(plan.config(), stream.handle());
      EXPECT_TRUE(verdict.passed) << verdict.text;
      Summary::instance().count("replays");
    }
    stream.destroy_graph(graph);
  }
}

TEST(RuntimeDevice, TwoThreadsOnTwoStreams) {
  // Made and judged by this thread; planned and launched by the others.
  std::vector<std::unique_ptr<GpuProblem>> problems;
  for (int t = 0; t < 2; ++t) {
    problems.push_back(std::make_unique<GpuProblem>(
        Oracle::instance(),
        GpuCase{.m = 128 + t, .n = 4096, .k = 7168, .seed = static_cast<std::uint64_t>(t + 21)}));
  }
  wait_for_device();
  std::vector<std::thread> threads;
  std::vector<std::string> errors(2);
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      try {
        const cuda::Stream stream(Oracle::instance().device());
        for (int i = 0; i < 50; ++i)
          gemm(context(), problems[t]->operands(), problems[t]->options(), stream.handle());
        stream.synchronize();
      } catch (const std::exception& error) {
        errors[t] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < 2; ++t) {
    EXPECT_EQ(errors[t], "");
    const Verdict verdict = problems[t]->judge("two threads");
    EXPECT_TRUE(verdict.passed) << verdict.text;
  }
}

TEST(RuntimeDevice, AnySmBudget) {
  const int all = Oracle::instance().device().info().num_sms;
  for (const auto& [m, n, k] :
       {std::tuple<int, int, int>{64, 2112, 7168}, {1000, 7168, 2048}, {129, 576, 512}}) {
    for (const DataKind data : {DataKind::kRandom, DataKind::kExact}) {
      GpuProblem problem(Oracle::instance(), {.m = m, .n = n, .k = k, .data = data});
      for (const int sms : {1, 2, 3, 5, 7, 17, 77, 78, 111, all - 1, all}) {
        GemmOptions options = problem.options();
        options.max_sms = sms;
        run_and_judge(problem, options);
        Summary::instance().count("SM budgets");
      }
    }
  }
}

TEST(RuntimeDevice, TwoRunsGiveTheSameBits) {
  for (const auto& [m, n, k] : {std::tuple<int, int, int>{1, 7168, 16384},
                                {64, 2112, 7168},
                                {128, 32768, 512},
                                {4097, 2112, 7168}}) {
    GpuProblem problem(Oracle::instance(), {.m = m, .n = n, .k = k});
    const GemmPlan plan = plan_gemm(context(), problem.operands(), problem.options());
    cuda::Buffer first(Oracle::instance().device(), problem.d_memory().bytes());
    problem.reset_d();
    plan.launch();
    const auto once = bytes_of(problem.d_memory());
    first.upload(once.data(), first.bytes());
    for (int i = 0; i < 20; ++i) {
      problem.reset_d();
      plan.launch();
      ASSERT_TRUE(Oracle::instance().same_bytes(problem.d_memory(), first))
          << problem.description().text() << " by " << plan.config() << ", run " << i + 2;
      Summary::instance().count("repeated runs");
    }
  }
}

TEST(RuntimeDevice, BatchInvariantRowsKeepTheirBits) {
  constexpr std::int64_t kN = 2112, kK = 7168, kGuard = 4096;  // kGuard: before D (gpu_problem.cpp)
  std::vector<unsigned char> wanted;
  for (const std::int64_t m : {1, 8, 64, 65, 129, 1000, 4097}) {
    // The contents of a row depend on the seed and its number alone.
    GpuProblem problem(
        Oracle::instance(),
        {.m = m, .n = kN, .k = kK, .scale_a_order = reference::ScaleOrder::kKContiguous});
    GemmOptions options = problem.options();
    options.batch_invariant = true;
    const std::string config = run_and_judge(problem, options);
    const auto bytes = bytes_of(problem.d_memory());
    const std::vector<unsigned char> row(bytes.begin() + kGuard, bytes.begin() + kGuard + kN * 2);
    if (wanted.empty()) wanted = row;
    EXPECT_EQ(row, wanted) << "row 0 of m = " << m << " by " << config
                           << " differs from that of m = 1";
  }
}

TEST(RuntimeDevice, ProgrammaticLaunchesOverlapSafely) {
  GpuProblem problem(Oracle::instance(), {.m = 64, .n = 4096, .k = 7168});
  GemmOptions options = problem.options();
  options.programmatic_launch = true;
  const GemmPlan plan = plan_gemm(context(), problem.operands(), options);
  const cuda::Stream stream(Oracle::instance().device());
  wait_for_device();
  for (std::uint64_t seed = 31; seed < 41; ++seed) {
    // The kernel before the launch writes a: a kernel that does not wait for it reads the former
    // contents.
    problem.refill_a(seed, stream.handle());
    problem.reset_d(stream.handle());
    problem.refill_a(seed + 100, stream.handle());
    for (int i = 0; i < 3; ++i) plan.launch(stream.handle());
    const Verdict verdict = problem.judge(plan.config(), stream.handle());
    ASSERT_TRUE(verdict.passed) << verdict.text;
  }
}

TEST(LargeDevice, MoreThanTwoToThe31Elements) {
  const GpuCase cases[] = {{.m = 300'000, .n = 256, .k = 7168},   // a: 2.15e9 elements
                           {.m = 64, .n = 300'000, .k = 7168},    // b
                           {.m = 65'552, .n = 32'768, .k = 128},  // d: 2.15e9
                           {.m = 65'552, .n = 32'768, .k = 128, .data = DataKind::kExact}};
  for (const GpuCase& gpu_case : cases) {
    GpuProblem problem(Oracle::instance(), gpu_case);
    run_and_judge(problem, problem.options());
  }
}

}  // namespace
}  // namespace fathom::testing
