// Launches in the emulator: schedules are chosen by the seed alone, and bad launches are refused.
#include <stdexcept>
#include <vector>

#include "emulated/kernels.hpp"
#include "emulated/tiny_kernel.hpp"

namespace fathom::testing {
namespace {

using namespace fathom::ptx;

TEST(Launch, TheSeedAloneDecidesTheSchedule) {
  GemmCase test(kStreamSplit, {.m = 20, .n = 300, .k = 700}, {.max_ctas = 12});
  emulator::Report first;
  for (const int num_threads : {1, 2, 4}) {
    emulator::Options options;
    options.seed = 11;
    options.num_threads = num_threads;
    const EmulatedResult result = test.run(options);
    ASSERT_TRUE(result.passed()) << result.text();
    if (num_threads == 1) first = result.report;
    EXPECT_EQ(result.report.trace_hash, first.trace_hash) << num_threads << " host threads";
    EXPECT_EQ(result.report.steps, first.steps);
    EXPECT_EQ(result.report.switches, first.switches);
  }
  EXPECT_NE(test.run(12).report.trace_hash, first.trace_hash);
}

TEST(Launch, AFailureReplaysFromItsSeed) {
  const auto kernel = [](const void*, unsigned char* shared) {
    const SmemAddr smem = smem_address(shared);
    if (thread_index() >= 32)
      store_shared_v2(smem + lane_index() * 8, 1.0f, 2.0f);
    else if (load_shared_u16(smem + lane_index() * 8) > 0x3f80)
      trap();
  };
  TinyRun run;
  run.shape.threads = 64;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    run.options.seed = seed;
    const Report once = run(kernel), again = run(kernel);
    EXPECT_EQ(once.text(), again.text());
    EXPECT_EQ(once.trace_hash, again.trace_hash);
  }
}

TEST(Launch, ImpossibleShapesAreRefused) {
  const auto nothing = [](const void*, unsigned char*) {};
  const LaunchShape bad[] = {{.threads = 31},
                             {.threads = 2048},
                             {.grid = 3, .cluster = 2, .threads = 32},
                             {.grid = 16, .cluster = 16, .threads = 32},
                             {.threads = 32, .shared_bytes = 232449},
                             {.threads = 512, .registers = 136}};
  for (const LaunchShape& shape : bad)
    EXPECT_THROW(emulator::run(nothing, shape, nullptr, 0, {}, {}), std::invalid_argument);
}

TEST(Launch, ThreadsKnowWhoTheyAre) {
  struct Params {
    uint32_t* seen;
  };
  std::vector<uint32_t> seen(6 * 64);
  TinyRun run;
  run.shape = {.grid = 6, .cluster = 3, .threads = 64, .shared_bytes = 64};
  expect_clean(
      run,
      [](const void* params, unsigned char*) {
        const int place = cta_index() * 64 + thread_index();
        static_cast<const Params*>(params)->seen[place] =
            static_cast<uint32_t>(cluster_rank() * 1000000 + num_ctas() * 10000 +
                                  lane_index() * 100 + warp_uniform(thread_index() / 32));
      },
      Params{seen.data()});
  for (uint32_t i = 0; i < seen.size(); ++i)
    EXPECT_EQ(seen[i], i / 64 % 3 * 1000000 + 6 * 10000 + i % 32 * 100 + i % 64 / 32);
}

TEST(Launch, ARunThatNeverEndsIsStopped) {
  TinyRun run;
  run.options.max_steps = 10000;
  expect_found(
      run,
      [](const void*, unsigned char*) {
        while (global_timer() + 1 > 0) warp_sync();
      },
      FindingKind::kDeadlock, "still running after");
}

}  // namespace
}  // namespace fathom::testing
