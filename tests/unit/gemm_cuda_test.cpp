// The CUDA backend from the public interface to the driver's calls, over the recording driver and
// kernels that a fake compiler left in the cache: what is launched, with what, and what is never
// called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <fathom/c_api.h>

#include <fathom/gemm.hpp>

#include "api/cuda_runtime.hpp"
#include "api/gemm_cuda.hpp"
#include "cuda/memory.hpp"
#include "gemm/launch.hpp"
#include "gemm/smem.hpp"
#include "plan/gemm_configs.hpp"
#include "support/fake_compiler.hpp"
#include "support/fake_kernels.hpp"
#include "support/recording_cuda.hpp"
#include "support/scratch_directory.hpp"

namespace fathom {
namespace {

using ::testing::AllOf;
using testing::cache_of_fakes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RecordingCuda;

class GemmCudaTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { testing::remove_cache_of_fakes(); }

  GemmCudaTest() { gpu_.set("param_bytes", sizeof(device::gemm::Params)); }

  Context context() {
    if (!context_) {
      context_.emplace(ContextOptions{
          .cache_dir = cache_of_fakes(), .libcuda = gpu_.path(), .compiler = "none"});
    }
    return *context_;
  }
  const cuda::Device& device(int ordinal = 0) {
    return cuda::Driver::load(gpu_.path()).device(ordinal);
  }

  /// Operands in the recording driver's memory; D holds 0xc9 everywhere.
  struct Operands {
    cuda::Buffer a, b, scale_a, scale_b, d;
    GemmOperands views;
  };
  Operands make(std::int64_t m, std::int64_t n, std::int64_t k, DType out = DType::kBf16,
                int ordinal = 0) {
    const Device where{DeviceType::kCuda, ordinal};
    const std::int64_t blocks = (k + 127) / 128;
    const std::int64_t pitch = (k + 15) / 16 * 16;
    const std::int64_t d_pitch = (n + 7) / 8 * 8;
    const std::int64_t scale_pitch = (m + 3) / 4 * 4;
    const auto buffer = [&](std::int64_t bytes) {
      return cuda::Buffer(device(ordinal), std::max<std::int64_t>(bytes, 16));
    };
    Operands o{buffer(m * pitch),
               buffer(n * pitch),
               buffer(scale_pitch * blocks * 4),
               buffer((n + 127) / 128 * blocks * 4),
               buffer(m * d_pitch * size_of(out)),
               {}};
    o.d.fill(0xc9);
    o.views.a = TensorView::matrix(o.a.data(), DType::kE4M3, m, k, pitch, where);
    o.views.b = TensorView::matrix(o.b.data(), DType::kE4M3, n, k, pitch, where);
    o.views.scale_a =
        TensorView::matrix(o.scale_a.data(), DType::kFp32, blocks, m, scale_pitch, where)
            .transposed();
    o.views.scale_b =
        TensorView::matrix(o.scale_b.data(), DType::kFp32, (n + 127) / 128, blocks, 0, where);
    o.views.d = TensorView::matrix(o.d.data(), out, m, n, d_pitch, where);
    return o;
  }
  static std::vector<unsigned char> bytes_of(const cuda::Buffer& buffer) {
    std::vector<unsigned char> bytes(static_cast<std::size_t>(buffer.bytes()));
    buffer.download(bytes.data(), buffer.bytes());
    return bytes;
  }
  static Error error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorCode::kInternal, "");
  }

  RecordingCuda gpu_;
  std::optional<Context> context_;
};

RecordingCudaTensorMap decode(const device::gemm::TensorMap& map) {
  RecordingCudaTensorMap decoded;
  std::memcpy(&decoded, &map, sizeof(decoded));
  return decoded;
}

void expect_map(const device::gemm::TensorMap& map, const device::gemm::TensorMapSpec& spec,
                const void* base) {
  ASSERT_TRUE(spec.used);
  const RecordingCudaTensorMap got = decode(map);
  EXPECT_EQ(got.base, reinterpret_cast<std::uint64_t>(base));
  EXPECT_EQ(got.rank, 2);
  EXPECT_EQ(got.dims[0], static_cast<std::uint64_t>(spec.dims[0]));
  EXPECT_EQ(got.dims[1], static_cast<std::uint64_t>(spec.dims[1]));
  EXPECT_EQ(got.strides[0], static_cast<std::uint64_t>(spec.pitch_bytes));
  EXPECT_EQ(got.box[0], spec.box[0]);
  EXPECT_EQ(got.box[1], spec.box[1]);
  EXPECT_EQ(got.swizzle, static_cast<int>(spec.swizzle));
  EXPECT_EQ(got.promotion, spec.promote_256b ? 3 : 0);
}

TEST_F(GemmCudaTest, LaunchesThePlan) {
  Operands o = make(4097, 2112, 7168);
  const cuda::Stream stream(device());
  const GemmPlan plan = plan_gemm(context(), o.views);
  EXPECT_EQ(plan.backend(), Backend::kCuda);
  const auto config = plan::find_gemm_config(plan.config());
  ASSERT_TRUE(config.has_value()) << plan.config();
  plan.launch(stream.handle());
  const auto launches = gpu_.launches();
  ASSERT_EQ(launches.size(), 1u);
  const RecordingCudaLaunch& launch = launches[0];
  EXPECT_EQ(launch.function, "fp8_gemm_" + plan.config());
  EXPECT_EQ(launch.stream, stream.handle());
  EXPECT_THAT(launch.block, ElementsAre(static_cast<unsigned>(config->num_threads()), 1, 1));
  EXPECT_THAT(launch.cluster, ElementsAre(static_cast<unsigned>(config->cluster_size()), 1, 1));
  EXPECT_EQ(launch.grid[0] % launch.cluster[0], 0u);
  EXPECT_LE(launch.grid[0], 132u * static_cast<unsigned>(config->ctas_per_sm));
  EXPECT_EQ(launch.shared_bytes,
            static_cast<unsigned>(device::gemm::plan_smem(*config).total_bytes));
  EXPECT_EQ(launch.programmatic, 0);
  EXPECT_EQ(launch.cooperative, 0);
  EXPECT_THAT(plan.explain(), HasSubstr(plan.config()));
}

TEST_F(GemmCudaTest, ParametersAndTensorMapsDescribeTheOperands) {
  Operands o = make(1000, 576, 100, DType::kFp32);
  const GemmPlan plan = plan_gemm(context(), o.views, {.accumulate = true});
  plan.launch();
  ASSERT_EQ(gpu_.launches().size(), 1u);
  device::gemm::Params params;
  std::memcpy(&params, gpu_.launches()[0].params, sizeof(params));
  const auto config = plan::find_gemm_config(plan.config());
  ASSERT_TRUE(config.has_value());
  const device::gemm::Sizes sizes{.m = 1000,
                                  .n = 576,
                                  .k = 100,
                                  .a_pitch = 112,
                                  .b_pitch = 112,
                                  .d_pitch = 576,
                                  .scale_a_stride = 1,
                                  .scale_a_k_stride = 1000,
                                  .scale_b_stride = 1,
                                  .scale_b_k_stride = 1};
  const device::gemm::TensorMapSpecs maps = device::gemm::describe_tensor_maps(*config, sizes);
  expect_map(params.a, maps.a, o.a.data());
  expect_map(params.b, maps.b, o.b.data());
  if (maps.a_tail.used) expect_map(params.a_tail, maps.a_tail, o.a.data());
  if (maps.b_tail.used) expect_map(params.b_tail, maps.b_tail, o.b.data());
  expect_map(params.scale_a, maps.scale_a, o.scale_a.data());
  if (config->tma_store()) expect_map(params.d, maps.d, o.d.data());
  EXPECT_EQ(params.accumulate, 1);
  EXPECT_EQ(params.n, 576);
  EXPECT_EQ(params.k_blocks, 1);
  EXPECT_EQ(params.d_data, o.d.data());
  EXPECT_EQ(params.d_pitch, 576);
  EXPECT_EQ(params.scales_of_a.data, o.scale_a.data());
  EXPECT_EQ(params.scales_of_a.by_tma, 1);
  EXPECT_EQ(params.scales_of_b.data, o.scale_b.data());
}

TEST_F(GemmCudaTest, ScalesThatTmaCannotReadAreGathered) {
  Operands o = make(1000, 576, 512);
  o.views.scale_a =
      TensorView::matrix(o.scale_a.data(), DType::kFp32, 1000, 4, 0, o.views.a.device);
  plan_gemm(context(), o.views).launch();
  device::gemm::Params params;
  std::memcpy(&params, gpu_.launches().at(0).params, sizeof(params));
  EXPECT_EQ(params.scales_of_a.by_tma, 0);
  EXPECT_EQ(params.scales_of_a.stride, 4);
  EXPECT_EQ(params.scales_of_a.k_stride, 1);
}

TEST_F(GemmCudaTest, ThousandLaunchesAllocateLoadCompileAndSynchroniseNothing) {
  Operands o = make(128, 7168, 2048);
  const GemmPlan plan = plan_gemm(context(), o.views);
  const cuda::Stream stream(device());
  gpu_.clear_record();
  for (int i = 0; i < 1000; ++i) plan.launch(stream.handle());
  EXPECT_EQ(gpu_.count("cuLaunchKernelEx"), 1000);
  EXPECT_THAT(gpu_.call_names(), ElementsAre("cuCtxGetCurrent", "cuCtxPopCurrent",
                                             "cuCtxPushCurrent", "cuLaunchKernelEx"));
}

fathom_tensor c_tensor(const TensorView& view) {
  fathom_tensor tensor{};
  tensor.data = view.data;
  tensor.dtype = static_cast<std::int32_t>(view.dtype);
  tensor.device_type = static_cast<std::int32_t>(view.device.type);
  tensor.device_index = view.device.index;
  tensor.rank = view.rank;
  std::copy(view.shape.begin(), view.shape.end(), tensor.shape);
  std::copy(view.stride.begin(), view.stride.end(), tensor.stride);
  return tensor;
}

TEST_F(GemmCudaTest, TheSameThroughTheCInterface) {
  Operands o = make(128, 7168, 2048);
  const std::string cache = cache_of_fakes();
  fathom_context_options options{};
  options.struct_size = sizeof(options);
  options.cache_dir = cache.c_str();
  options.libcuda = gpu_.path().c_str();
  options.compiler = "none";
  fathom_context* context = nullptr;
  ASSERT_EQ(fathom_context_create(&options, &context), FATHOM_OK) << fathom_last_error_message();
  fathom_gemm_args args{};
  args.struct_size = sizeof(args);
  args.a = c_tensor(o.views.a);
  args.scale_a = c_tensor(o.views.scale_a);
  args.b = c_tensor(o.views.b);
  args.scale_b = c_tensor(o.views.scale_b);
  args.d = c_tensor(o.views.d);
  fathom_gemm_plan* plan = nullptr;
  ASSERT_EQ(fathom_gemm_plan_create(context, &args, &plan), FATHOM_OK)
      << fathom_last_error_message();
  const char* config = nullptr;
  ASSERT_EQ(fathom_gemm_plan_config(plan, &config), FATHOM_OK);
  gpu_.clear_record();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(fathom_gemm_plan_launch(plan, nullptr), FATHOM_OK);
  EXPECT_THAT(gpu_.call_names(), ElementsAre("cuCtxGetCurrent", "cuCtxPopCurrent",
                                             "cuCtxPushCurrent", "cuLaunchKernelEx"));
  EXPECT_EQ(gpu_.launches().at(999).function, std::string("fp8_gemm_") + config);
  gpu_.fail("cuLaunchKernelEx", 1, 719);
  EXPECT_EQ(fathom_gemm_plan_launch(plan, nullptr), FATHOM_DRIVER);
  EXPECT_THAT(fathom_last_error_message(), HasSubstr("CUDA_ERROR_LAUNCH_FAILED (719)"));
  fathom_gemm_plan_destroy(plan);
  fathom_context_destroy(context);
}

TEST_F(GemmCudaTest, SecondPlanLoadsNothing) {
  Operands o = make(128, 7168, 2048);
  plan_gemm(context(), o.views);
  EXPECT_EQ(gpu_.count("cuLibraryLoadData"), 1);
  EXPECT_EQ(gpu_.count("cuFuncSetAttribute"), 1);
  plan_gemm(context(), o.views);
  EXPECT_EQ(gpu_.count("cuLibraryLoadData"), 1);
  EXPECT_EQ(gpu_.count("cuFuncSetAttribute"), 1);
  EXPECT_EQ(gpu_.count("cuMemAlloc"), 5) << "the operands of this test";
}

TEST_F(GemmCudaTest, ContextsWithOtherOptionsShareNoKernel) {
  const testing::ScratchDirectory directory;
  const ContextOptions options{.cache_dir = directory.file("cache"),
                               .libcuda = gpu_.path(),
                               .compiler = "none",
                               .line_info = true};
  Operands o = make(128, 7168, 2048);
  const GemmPlan plan = plan_gemm(context(), o.views);
  const plan::GemmConfig config = plan::find_gemm_config(plan.config()).value();
  const Context with_lines(options);
  jit::Builder(api::builder_options(with_lines, 13), embedded::device_sources(),
               std::make_shared<testing::FakeCompiler>())
      .build(plan::gemm_kernel_name(config), plan::gemm_source(config));
  EXPECT_EQ(gpu_.count("cuLibraryLoadData"), 1);
  plan_gemm(with_lines, o.views);
  EXPECT_EQ(gpu_.count("cuLibraryLoadData"), 2);
  plan_gemm(with_lines, o.views);
  plan_gemm(context(), o.views);
  EXPECT_EQ(gpu_.count("cuLibraryLoadData"), 2);
}

TEST_F(GemmCudaTest, TheLogMayLaunchTheKernelItIsAbout) {
  Operands o = make(64, 2112, 7168);
  int messages = 0;
  std::optional<Context> logging;
  logging.emplace(ContextOptions{.cache_dir = cache_of_fakes(),
                                 .libcuda = gpu_.path(),
                                 .compiler = "none",
                                 .log_level = LogLevel::kInfo,
                                 .log = [&](LogLevel, std::string_view) {
                                   if (++messages == 1) gemm(*logging, o.views);
                                 }});
  gemm(*logging, o.views);
  EXPECT_EQ(messages, 1);
  EXPECT_EQ(gpu_.launches().size(), 2u);
}

TEST_F(GemmCudaTest, CanImplementLoadsNothing) {
  Operands o = make(128, 7168, 2048);
  EXPECT_EQ(can_implement(context(), o.views), std::nullopt);
  EXPECT_EQ(gpu_.count("cuLibraryLoadData") + gpu_.count("cuTensorMapEncodeTiled"), 0);
}

TEST_F(GemmCudaTest, CaptureAndReplay) {
  Operands o = make(64, 2112, 7168);
  const cuda::Stream stream(device());
  stream.begin_capture();
  // Even what is planned inside a capture loads its kernel without spoiling it.
  const GemmPlan plan = plan_gemm(context(), o.views);
  plan.launch(stream.handle());
  const cuda::abi::GraphExec graph = stream.end_capture();
  std::string ran;
  gpu_.set_hook(
      [](const RecordingCudaLaunch* launch, void* user) {
        *static_cast<std::string*>(user) += launch->function;
        return 0;
      },
      &ran);
  stream.replay(graph);
  EXPECT_EQ(ran, "fp8_gemm_" + plan.config());
  stream.destroy_graph(graph);
}

TEST_F(GemmCudaTest, EmptyProblems) {
  Operands none = make(0, 384, 256);
  gpu_.clear_record();
  plan_gemm(context(), none.views).launch();
  EXPECT_EQ(gpu_.count("cuLaunchKernelEx") + gpu_.count("cuMemsetD2D8Async"), 0);
  // n = 20 leaves 4 elements of padding behind each row.
  Operands zero = make(3, 20, 0);
  plan_gemm(context(), zero.views).launch();
  EXPECT_EQ(gpu_.count("cuLaunchKernelEx"), 0);
  const auto bytes = bytes_of(zero.d);
  for (std::size_t i = 0; i < 3 * 24 * 2; ++i)
    EXPECT_EQ(bytes[i], i % 48 < 40 ? 0 : 0xc9) << "byte " << i;
  Operands unchanged = make(3, 20, 0, DType::kFp32);
  plan_gemm(context(), unchanged.views, {.accumulate = true}).launch();
  for (const unsigned char byte : bytes_of(unchanged.d)) EXPECT_EQ(byte, 0xc9);
}

TEST_F(GemmCudaTest, SmBudgetBoundsTheGrid) {
  Operands o = make(4096, 7168, 2048);
  for (const int sms : {1, 7, 77, 131}) {
    gpu_.clear_record();
    plan_gemm(context(), o.views, {.max_sms = sms}).launch();
    ASSERT_EQ(gpu_.launches().size(), 1u);
    EXPECT_LE(gpu_.launches()[0].grid[0], static_cast<unsigned>(sms));
  }
}

TEST_F(GemmCudaTest, ProgrammaticLaunchIsPerCall) {
  Operands o = make(64, 2112, 7168);
  plan_gemm(context(), o.views, {.programmatic_launch = true}).launch();
  plan_gemm(context(), o.views).launch();
  EXPECT_EQ(gpu_.launches().at(0).programmatic, 1);
  EXPECT_EQ(gpu_.launches().at(1).programmatic, 0);
}

TEST_F(GemmCudaTest, ConstantWeightsCountWithAProgrammaticLaunch) {
  Operands o = make(64, 2112, 7168);
  const auto weights_constant = [&](const GemmOptions& options) {
    gpu_.clear_record();
    plan_gemm(context(), o.views, options).launch();
    device::gemm::Params params;
    std::memcpy(&params, gpu_.launches().at(0).params, sizeof(params));
    return params.weights_constant;
  };
  EXPECT_EQ(weights_constant({}), 0);
  EXPECT_EQ(weights_constant({.programmatic_launch = true}), 0);
  EXPECT_EQ(weights_constant({.weights_constant = true}), 0) << "there is nothing to be ahead of";
  EXPECT_EQ(weights_constant({.programmatic_launch = true, .weights_constant = true}), 1);
}

// The driver encodes tensor maps and loads functions only where a context is current, and a thread
// that calls us need not have one.
TEST_F(GemmCudaTest, BindsAndLaunchesOnAThreadWithoutAContext) {
  Operands o = make(64, 2112, 7168);
  std::thread([&] {
    cuda::abi::Context current = nullptr;
    device().driver().api().ctx_get_current(&current);
    EXPECT_EQ(current, nullptr);
    EXPECT_NO_THROW(plan_gemm(context(), o.views).launch());
    device().driver().api().ctx_get_current(&current);
    EXPECT_EQ(current, nullptr);
  }).join();
  EXPECT_EQ(gpu_.launches().size(), 1u);
}

TEST_F(GemmCudaTest, DeviceComesFromTheTensors) {
  gpu_.set("devices", 2);
  Operands o = make(64, 2112, 7168, DType::kBf16, 1);
  const cuda::ContextGuard other(device(0));
  plan_gemm(context(), o.views).launch();
  EXPECT_EQ(gpu_.launches().at(0).device, 1);
  cuda::abi::Context current = nullptr;
  device().driver().api().ctx_get_current(&current);
  EXPECT_EQ(current, device(0).context()) << "the caller's device must be current again";
}

TEST_F(GemmCudaTest, EightThreadsOnTwoDevices) {
  gpu_.set("devices", 2);
  const Context shared = context();
  std::vector<Operands> operands;
  for (int t = 0; t < 8; ++t) operands.push_back(make(64 + t, 2112, 7168, DType::kBf16, t % 2));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const cuda::Stream stream(device(t % 2));
      for (int i = 0; i < 10; ++i) {
        gemm(shared, operands[static_cast<std::size_t>(t)].views, {}, stream.handle());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int on_second = 0;
  for (const RecordingCudaLaunch& launch : gpu_.launches()) on_second += launch.device;
  EXPECT_EQ(gpu_.launches().size(), 80u);
  EXPECT_EQ(on_second, 40);
}

TEST_F(GemmCudaTest, BadInputNeverReachesTheGpu) {
  Operands o = make(64, 2112, 7168);
  float host[64] = {};
  GemmOperands bad = o.views;
  bad.scale_b.data = host;
  const Error error = error_of([&] { gemm(context(), bad); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("gemm: scale_b"), HasSubstr("CUDA device 0")));
  bad = o.views;
  bad.a.device.index = bad.b.device.index = bad.scale_a.device.index = bad.scale_b.device.index =
      bad.d.device.index = 3;
  EXPECT_THAT(error_of([&] { gemm(context(), bad); }).what(), HasSubstr("CUDA device 3"));
  EXPECT_EQ(error_of([&] { gemm(context(), o.views, {.config = "256x256_none"}); }).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(gpu_.count("cuLaunchKernelEx"), 0);
  for (const unsigned char byte : bytes_of(o.d)) ASSERT_EQ(byte, 0xc9);
}

TEST_F(GemmCudaTest, OtherGpusAreNamed) {
  gpu_.set_name("NVIDIA B200");
  gpu_.set("compute_capability", 100);
  Operands o = make(64, 2112, 7168);
  const Error error = error_of([&] { gemm(context(), o.views); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("NVIDIA B200"), HasSubstr("10.0")));
  EXPECT_THAT(can_implement(context(), o.views).value_or(""), HasSubstr("NVIDIA B200"));
}

TEST_F(GemmCudaTest, NoDriverIsToldApart) {
  Operands o = make(64, 2112, 7168);
  const Context without(
      ContextOptions{.cache_dir = cache_of_fakes(), .libcuda = "/nowhere/libcuda.so.1"});
  const Error error = error_of([&] { gemm(without, o.views); });
  EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
  EXPECT_THAT(error.what(), HasSubstr("/nowhere/libcuda.so.1"));
}

TEST_F(GemmCudaTest, FailuresOfTheDriverAreDescribed) {
  Operands o = make(64, 2112, 7168);
  const std::pair<const char*, const char*> calls[] = {
      {"cuLibraryLoadData", "loading the kernel binary fp8_gemm_"},
      {"cuFuncLoad", "loading kernel fp8_gemm_"},
      {"cuTensorMapEncodeTiled", "box ["},
      {"cuLaunchKernelEx", "launching fp8_gemm_"}};
  for (const auto& [call, part] : calls) {
    gpu_.fail(call, 1, 719);
    const Error error = error_of([&] { gemm(context(), o.views); });
    EXPECT_EQ(error.code(), ErrorCode::kDriver) << call;
    EXPECT_THAT(error.what(), AllOf(HasSubstr(call), HasSubstr(part),
                                    HasSubstr("CUDA_ERROR_LAUNCH_FAILED (719)")));
  }
  EXPECT_NO_THROW(gemm(context(), o.views)) << "one failure must not stick";
}

TEST_F(GemmCudaTest, KernelThatNobodyCanMakeIsNamed) {
  const testing::ScratchDirectory empty;
  Operands o = make(64, 2112, 7168);
  const Context context(
      ContextOptions{.cache_dir = empty.file("cache"), .libcuda = gpu_.path(), .compiler = "none"});
  const Error error = error_of([&] { gemm(context, o.views); });
  EXPECT_EQ(error.code(), ErrorCode::kCompileFailed);
  EXPECT_THAT(error.what(), HasSubstr("fp8_gemm_"));
}

}  // namespace
}  // namespace fathom
