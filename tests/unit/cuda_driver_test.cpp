// The driver layer over the recording driver: loading, errors, devices, contexts, kernels,
// launches, threads.
#include "cuda/driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <fathom/error.hpp>

#include "cuda/device.hpp"
#include "cuda/launch.hpp"
#include "cuda/library.hpp"
#include "cuda/memory.hpp"
#include "support/recording_cuda.hpp"

namespace fathom::cuda {
namespace {

using fathom::testing::RecordingCuda;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kImage[] = "an image that holds my_kernel and other_kernel";

/// The Error that `action` throws; fails the test when it throws none.
Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorCode::kInternal, "");
}

Function load(const Driver& driver, int device = 0, const char* name = "my_kernel",
              int shared_bytes = 200'000) {
  return driver.library("key", [] { return std::string(kImage); })
      .function(driver.device(device), name, shared_bytes);
}

TEST(CudaDriverTest, MissingLibrarySaysWhatWasTried) {
  const Error error = error_of([] { Driver::load("/nowhere/libcuda.so.1"); });
  EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("/nowhere/libcuda.so.1"), HasSubstr("FATHOM_LIBCUDA")));
}

TEST(CudaDriverTest, LibraryWithoutTheFunctionsIsNoDriver) {
  const Error error = error_of([] { Driver::load("libm.so.6"); });
  EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("libm.so.6 has no cuInit"), HasSubstr("12.0")));
}

TEST(CudaDriverTest, NoDeviceIsToldApart) {
  RecordingCuda gpu;
  gpu.set("devices", 0);
  const Error error = error_of([&] { Driver::load(gpu.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("cuInit failed with CUDA_ERROR_NO_DEVICE (100): no device"),
                    HasSubstr("CPU tensors")));
}

TEST(CudaDriverTest, OldDriverIsRefused) {
  RecordingCuda gpu;
  gpu.set("driver_version", 11'080);
  const Error error = error_of([&] { Driver::load(gpu.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("CUDA 11.8"), HasSubstr("12.0 or newer")));
}

TEST(CudaDriverTest, LoadsOncePerLibrary) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  EXPECT_EQ(&driver, &Driver::load(gpu.path()));
  EXPECT_EQ(gpu.count("cuInit"), 1);
  EXPECT_EQ(driver.version(), 13'000);
  EXPECT_EQ(driver.device_count(), 1);
}

TEST(CudaDriverTest, DescribesTheDevice) {
  RecordingCuda gpu;
  gpu.set_name("NVIDIA H20");
  gpu.set("sms", 78);
  gpu.set("memory_bytes", 97'871 * std::int64_t{1'048'576});
  const Driver& driver = Driver::load(gpu.path());
  const DeviceInfo& info = driver.device(0).info();
  EXPECT_EQ(info.name, "NVIDIA H20");
  EXPECT_EQ(info.num_sms, 78);
  EXPECT_EQ(info.compute_major, 9);
  EXPECT_EQ(info.compute_minor, 0);
  EXPECT_EQ(info.memory_bytes, 97'871 * std::int64_t{1'048'576});
  EXPECT_EQ(info.l2_bytes, 62'914'560);
  EXPECT_EQ(info.shared_bytes_per_block, 232'448);
  EXPECT_EQ(info.clock_khz, 1'980'000);
  EXPECT_EQ(info.driver_version, 13'000);
  EXPECT_NO_THROW(driver.device(0).require_hopper());
}

TEST(CudaDriverTest, AnotherArchitectureIsNamed) {
  RecordingCuda gpu;
  gpu.set_name("NVIDIA A100-SXM4-80GB");
  gpu.set("compute_capability", 80);
  const Error error = error_of([&] { Driver::load(gpu.path()).device(0).require_hopper(); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("NVIDIA A100-SXM4-80GB"), HasSubstr("8.0"), HasSubstr("9.0")));
}

TEST(CudaDriverTest, DeviceOrdinalOutOfRange) {
  RecordingCuda gpu;
  gpu.set("devices", 2);
  const Driver& driver = Driver::load(gpu.path());
  EXPECT_EQ(driver.device(1).info().ordinal, 1);
  const Error error = error_of([&] { driver.device(2); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("CUDA device 2"), HasSubstr("0 to 1")));
}

TEST(CudaDriverTest, FailingCallPrintsCallNameAndDescription) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  gpu.fail("cuDevicePrimaryCtxRetain", 1, abi::kErrorOutOfMemory);
  const Error error = error_of([&] { driver.device(0); });
  EXPECT_EQ(error.code(), ErrorCode::kDriver);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("opening CUDA device 0"),
                                  HasSubstr("cuDevicePrimaryCtxRetain failed"),
                                  HasSubstr("CUDA_ERROR_OUT_OF_MEMORY (2): out of memory")));
  EXPECT_NO_THROW(driver.device(0)) << "a failed opening must not stick";
}

TEST(CudaDriverTest, ContextGuardRestoresWhatWasCurrent) {
  RecordingCuda gpu;
  gpu.set("devices", 2);
  const Driver& driver = Driver::load(gpu.path());
  const auto current = [&] {
    abi::Context context = nullptr;
    driver.api().ctx_get_current(&context);
    return context;
  };
  EXPECT_EQ(current(), nullptr);
  {
    const ContextGuard first(driver.device(0));
    EXPECT_EQ(current(), driver.device(0).context());
    {
      const ContextGuard second(driver.device(1));
      EXPECT_EQ(current(), driver.device(1).context());
    }
    EXPECT_EQ(current(), driver.device(0).context());
    gpu.clear_record();
    { const ContextGuard again(driver.device(0)); }
    EXPECT_EQ(gpu.count("cuCtxPushCurrent"), 0);
  }
  EXPECT_EQ(current(), nullptr);
}

TEST(CudaDriverTest, KernelIsLoadedOncePerDeviceAndAllowedItsSharedMemory) {
  RecordingCuda gpu;
  gpu.set("devices", 2);
  const Driver& driver = Driver::load(gpu.path());
  const Function first = load(driver);
  EXPECT_EQ(load(driver).handle, first.handle);
  EXPECT_NE(load(driver, 1).handle, first.handle);
  EXPECT_EQ(gpu.count("cuLibraryLoadData"), 1) << gpu.record();
  EXPECT_EQ(gpu.count("cuFuncLoad"), 2);
  EXPECT_THAT(gpu.calls("cuFuncSetAttribute")[0], HasSubstr("attribute=8 value=200000"));
  EXPECT_EQ(first.max_threads, 1024);
  EXPECT_EQ(first.num_registers, 168);
}

TEST(CudaDriverTest, KernelErrorsNameTheKernel) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  EXPECT_THAT(error_of([&] { load(driver, 0, "absent"); }).what(),
              AllOf(HasSubstr("loading kernel absent on CUDA device 0"),
                    HasSubstr("CUDA_ERROR_NOT_FOUND")));
  EXPECT_THAT(
      error_of([&] { load(driver, 0, "my_kernel", 300'000); }).what(),
      AllOf(HasSubstr("300000 bytes of shared memory"), HasSubstr("CUDA_ERROR_INVALID_VALUE")));
}

TEST(CudaDriverTest, FailedLoadIsTriedAgain) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  gpu.fail("cuLibraryLoadData", 1, abi::kErrorNoBinaryForGpu);
  const Error error = error_of([&] { load(driver); });
  EXPECT_EQ(error.code(), ErrorCode::kDriver);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("loading the kernel binary key"), HasSubstr("another architecture")));
  EXPECT_NO_THROW(load(driver));
}

TEST(CudaDriverTest, KernelsLoadWhileAStreamCaptures) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Stream stream(driver.device(0));
  stream.begin_capture();
  EXPECT_THAT(error_of([&] { Buffer(driver.device(0), 256); }).what(),
              HasSubstr("launch inside it"));
  stream.begin_capture();  // the refused allocation spoiled the first capture
  EXPECT_NO_THROW(load(driver));
  const abi::GraphExec graph = stream.end_capture();
  stream.destroy_graph(graph);
}

TEST(CudaDriverTest, LaunchPassesEverything) {
  RecordingCuda gpu;
  gpu.set("param_bytes", 8);
  const Driver& driver = Driver::load(gpu.path());
  const Function function = load(driver);
  const Stream stream(driver.device(0));
  LaunchShape shape{.grid = {132, 2, 1}, .block = {384}, .cluster = {2}, .shared_bytes = 200'000};
  std::uint64_t value = 0x1234567890abcdef;
  void* params[] = {&value};
  launch(function, shape, stream.handle(), params);
  shape.programmatic = shape.cooperative = true;
  shape.grid = {66, 2, 1};
  shape.priority = -3;
  launch(function, shape, nullptr, params);
  const std::vector<RecordingCudaLaunch> launches = gpu.launches();
  ASSERT_EQ(launches.size(), 2u);
  EXPECT_STREQ(launches[0].function, "my_kernel");
  EXPECT_THAT(launches[0].grid, ElementsAre(132, 2, 1));
  EXPECT_THAT(launches[0].block, ElementsAre(384, 1, 1));
  EXPECT_THAT(launches[0].cluster, ElementsAre(2, 1, 1));
  EXPECT_EQ(launches[0].shared_bytes, 200'000u);
  EXPECT_EQ(launches[0].stream, stream.handle());
  EXPECT_EQ(*static_cast<const std::uint64_t*>(launches[0].params), value);
  EXPECT_EQ(launches[0].programmatic + launches[0].cooperative + launches[0].priority, 0);
  EXPECT_EQ(launches[1].programmatic, 1);
  EXPECT_EQ(launches[1].cooperative, 1);
  EXPECT_EQ(launches[1].priority, -3);
  EXPECT_EQ(launches[1].stream, nullptr);
}

TEST(CudaDriverTest, LaunchErrorsPrintEverything) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Function function = load(driver);
  const LaunchShape odd{.grid = {131}, .block = {384}, .cluster = {2}, .shared_bytes = 200'000};
  const Error error = error_of([&] { launch(function, odd, nullptr, nullptr); });
  EXPECT_EQ(error.code(), ErrorCode::kDriver);
  EXPECT_THAT(
      error.what(),
      AllOf(HasSubstr("launching my_kernel on CUDA device 0 (NVIDIA H200)"),
            HasSubstr("grid [131, 1, 1]"), HasSubstr("block [384, 1, 1]"),
            HasSubstr("cluster [2, 1, 1]"), HasSubstr("200000 bytes of dynamic shared memory"),
            HasSubstr("168 registers"),
            HasSubstr("cuLaunchKernelEx failed with CUDA_ERROR_INVALID_CLUSTER_SIZE (912)")));
  const LaunchShape large{.grid = {132}, .block = {384}, .shared_bytes = 200'001};
  EXPECT_THAT(error_of([&] { launch(function, large, nullptr, nullptr); }).what(),
              HasSubstr("CUDA_ERROR_INVALID_VALUE (1)"));
}

TEST(CudaDriverTest, CaptureAndReplayRunTheLaunchThroughTheHook) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Function function = load(driver);
  const Stream stream(driver.device(0));
  int runs = 0;
  gpu.set_hook([](const RecordingCudaLaunch*, void* user) { return ++*static_cast<int*>(user), 0; },
               &runs);
  const LaunchShape shape{.grid = {4}, .block = {128}, .shared_bytes = 1024};
  stream.begin_capture();
  launch(function, shape, stream.handle(), nullptr);
  launch(function, shape, stream.handle(), nullptr);
  const abi::GraphExec graph = stream.end_capture();
  EXPECT_EQ(runs, 0) << "a captured launch does not run";
  stream.replay(graph);
  stream.replay(graph);
  EXPECT_EQ(runs, 4);
  launch(function, shape, stream.handle(), nullptr);
  EXPECT_EQ(runs, 5);
  stream.destroy_graph(graph);
}

TEST(CudaDriverTest, ThousandLaunchesDoNothingElse) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Function function = load(driver);
  const ContextGuard guard(driver.device(0));
  gpu.clear_record();
  for (int i = 0; i < 1000; ++i) launch(function, {.grid = {4}, .block = {128}}, nullptr, nullptr);
  EXPECT_EQ(gpu.count("cuLaunchKernelEx"), 1000);
  EXPECT_THAT(gpu.call_names(), ElementsAre("cuCtxGetCurrent", "cuLaunchKernelEx"));
}

TEST(CudaDriverTest, EightThreadsOnTwoDevices) {
  RecordingCuda gpu;
  gpu.set("devices", 2);
  const Driver& driver = Driver::load(gpu.path());
  std::atomic<int> images = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const Device& device = driver.device(t % 2);
      const Stream stream(device);
      for (int i = 0; i < 50; ++i) {
        const Function function =
            driver.library("shared", [&] { return ++images, std::string(kImage); })
                .function(device, "my_kernel", 4096);
        launch(function, {.grid = {4}, .block = {128}, .shared_bytes = 4096}, stream.handle(),
               nullptr);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(images, 1);
  EXPECT_EQ(gpu.count("cuLibraryLoadData"), 1);
  EXPECT_EQ(gpu.count("cuDevicePrimaryCtxRetain"), 2);
  const auto launches = gpu.launches();
  ASSERT_EQ(launches.size(), 400u) << "a launch on another device's stream or context fails";
  int on_second = 0;
  for (const RecordingCudaLaunch& launch : launches) on_second += launch.device;
  EXPECT_EQ(on_second, 200);
}

TEST(CudaDriverTest, PointersAreCheckedWithoutReadingThem) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Device& device = driver.device(0);
  const Buffer buffer(device, 1024);
  EXPECT_NO_THROW(device.require_accessible(buffer.data(), "a"));
  float host[4] = {};
  const Error error = error_of([&] { device.require_accessible(host, "scale_a"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("scale_a"), HasSubstr("CUDA device 0"), HasSubstr("CPU tensors")));
}

TEST(CudaDriverTest, BuffersHoldWhatWasUploaded) {
  RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  {
    Buffer buffer(driver.device(0), 8);
    buffer.fill(0xff);
    const std::uint16_t in[2] = {1, 2};
    buffer.upload(in, 4, 2);
    std::uint16_t out[4] = {};
    buffer.download(out, 8);
    EXPECT_THAT(out, ElementsAre(0xffff, 1, 2, 0xffff));
    EXPECT_EQ(error_of([&] { buffer.upload(in, 4, 6); }).code(), ErrorCode::kInternal);
  }
  EXPECT_EQ(gpu.count("cuMemAlloc"), 1);
  EXPECT_THAT(gpu.calls("cuMemFree"), ElementsAre(EndsWith("-> 0")));
}

}  // namespace
}  // namespace fathom::cuda
