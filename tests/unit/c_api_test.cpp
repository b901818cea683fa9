// The C ABI: results, errors, growing structs, handles, threads.
#include <fathom/c_api.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "support/environment.hpp"

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct ContextDeleter {
  void operator()(fathom_context* context) const { fathom_context_destroy(context); }
};
struct PlanDeleter {
  void operator()(fathom_gemm_plan* plan) const { fathom_gemm_plan_destroy(plan); }
};
using ContextHandle = std::unique_ptr<fathom_context, ContextDeleter>;
using PlanHandle = std::unique_ptr<fathom_gemm_plan, PlanDeleter>;

ContextHandle make_context() {
  fathom_context* context = nullptr;
  EXPECT_EQ(fathom_context_create(nullptr, &context), FATHOM_OK) << fathom_last_error_message();
  return ContextHandle(context);
}

void expect_failure(fathom_status status, fathom_status wanted,
                    const testing::Matcher<std::string>& message) {
  EXPECT_EQ(status, wanted) << fathom_last_error_message();
  EXPECT_EQ(fathom_last_error_status(), wanted);
  EXPECT_THAT(std::string(fathom_last_error_message()), message);
}

/// A product whose every element is `value` * k.
template <int kM = 8, int kN = 144, int kK = 256>
struct Product {
  static constexpr int kBlocksN = (kN + 127) / 128, kBlocksK = (kK + 127) / 128;
  static constexpr unsigned char kOne = 0x38;  // 1.0 in e4m3

  explicit Product(float value = 1) {
    a.fill(kOne);
    b.fill(kOne);
    scale_a.fill(value);
    scale_b.fill(1);
    args.struct_size = sizeof args;
    args.a = fathom_matrix(a.data(), FATHOM_E4M3, kM, kK, 0);
    args.scale_a = fathom_matrix(scale_a.data(), FATHOM_FP32, kM, kBlocksK, 0);
    args.b = fathom_matrix(b.data(), FATHOM_E4M3, kN, kK, 0);
    args.scale_b = fathom_matrix(scale_b.data(), FATHOM_FP32, kBlocksN, kBlocksK, 0);
    args.d = fathom_matrix(d.data(), FATHOM_FP32, kM, kN, 0);
  }

  alignas(16) std::array<unsigned char, kM * kK> a;
  alignas(16) std::array<unsigned char, kN * kK> b;
  std::array<float, kM * kBlocksK> scale_a;
  std::array<float, kBlocksN * kBlocksK> scale_b;
  alignas(16) std::array<float, kM * kN> d{};
  fathom_gemm_args args{};
};

TEST(CApi, SaysWhatItIs) {
  EXPECT_EQ(fathom_abi_version(), FATHOM_ABI_VERSION);
  EXPECT_THAT(std::string(fathom_version()), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_NE(std::string(fathom_commit()), "");
  EXPECT_STREQ(fathom_status_name(FATHOM_OK), "ok");
  EXPECT_STREQ(fathom_status_name(FATHOM_INVALID_ARGUMENT), "invalid_argument");
  EXPECT_STREQ(fathom_status_name(FATHOM_NO_DEVICE), "no_device");
  EXPECT_STREQ(fathom_status_name(77), "unknown");
}

// The layout is the ABI: a change of these numbers breaks every program that is not compiled again.
TEST(CApi, StructsKeepTheirLayout) {
  EXPECT_EQ(sizeof(fathom_tensor), 88u);
  EXPECT_EQ(offsetof(fathom_tensor, stride), 56u);
  EXPECT_EQ(offsetof(fathom_context_options, openblas), 80u);
  EXPECT_EQ(offsetof(fathom_gemm_args, d), 360u);
  EXPECT_EQ(offsetof(fathom_gemm_args, group_form), 536u);
  EXPECT_EQ(offsetof(fathom_gemm_args, config), 576u);
  EXPECT_EQ(offsetof(fathom_quantize_args, flags), 280u);
  EXPECT_EQ(offsetof(fathom_context_options, line_info), 96u);
  EXPECT_EQ(offsetof(fathom_gemm_range, device), 80u);
  EXPECT_EQ(offsetof(fathom_compile_args, jobs), 40u);
}

TEST(CApi, MakesTensors) {
  float memory[64] = {};
  const fathom_tensor matrix = fathom_matrix(memory, FATHOM_FP32, 4, 5, 8);
  EXPECT_EQ(matrix.data, memory);
  EXPECT_EQ(matrix.device_type, FATHOM_CPU);
  EXPECT_EQ(matrix.rank, 2);
  EXPECT_EQ(matrix.shape[1], 5);
  EXPECT_EQ(matrix.stride[0], 8);
  const fathom_tensor transposed = fathom_transposed(matrix);
  EXPECT_EQ(transposed.shape[0], 5);
  EXPECT_EQ(transposed.stride[1], 8);
  const fathom_tensor batch = fathom_batch(memory, FATHOM_FP32, 2, 4, 8, 0, 0);
  EXPECT_EQ(batch.rank, 3);
  EXPECT_EQ(batch.stride[0], 32);
  EXPECT_EQ(fathom_vector(memory, FATHOM_INT64, 7).shape[0], 7);
}

TEST(CApi, GemmInOneCall) {
  const ContextHandle context = make_context();
  Product product(0.5f);
  ASSERT_EQ(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  EXPECT_THAT(product.d, testing::Each(128.0f));
  product.args.flags = FATHOM_GEMM_ACCUMULATE;
  ASSERT_EQ(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  EXPECT_THAT(product.d, testing::Each(256.0f));
}

TEST(CApi, GroupedGemmInOneCall) {
  const ContextHandle context = make_context();
  Product<8, 144, 256> product;
  std::array<std::uint16_t, 8 * 144> d{};  // bf16
  const std::int64_t offsets[] = {2, 6};   // rows 2 to 5 are group 0
  product.args.b = fathom_batch(product.b.data(), FATHOM_E4M3, 1, 144, 256, 0, 0);
  product.args.scale_b = fathom_batch(product.scale_b.data(), FATHOM_FP32, 1, 2, 2, 0, 0);
  product.args.d = fathom_matrix(d.data(), FATHOM_BF16, 8, 144, 0);
  product.args.group_form = FATHOM_GROUPS_OFFSETS;
  product.args.group_index = fathom_vector(offsets, FATHOM_INT64, 2);
  ASSERT_EQ(fathom_grouped_gemm(context.get(), &product.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  constexpr std::uint16_t k256 = 0x4380;  // in bf16
  for (std::size_t row = 0; row < 8; ++row)
    EXPECT_EQ(d[row * 144 + 5], row >= 2 && row < 6 ? k256 : 0) << row;
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("call grouped_gemm"));
  product.args.group_form = FATHOM_GROUPS_NONE;
  expect_failure(fathom_grouped_gemm(context.get(), &product.args, nullptr),
                 FATHOM_INVALID_ARGUMENT, HasSubstr("call gemm"));
}

TEST(CApi, PlansAreLaunchedAndOutliveTheirContext) {
  ContextHandle context = make_context();
  Product product;
  fathom_gemm_plan* made = nullptr;
  ASSERT_EQ(fathom_gemm_plan_create(context.get(), &product.args, &made), FATHOM_OK)
      << fathom_last_error_message();
  const PlanHandle plan(made);
  context.reset();
  ASSERT_EQ(fathom_gemm_plan_launch(plan.get(), nullptr), FATHOM_OK);
  EXPECT_THAT(product.d, testing::Each(256.0f));
  std::int32_t backend = 0;
  EXPECT_EQ(fathom_gemm_plan_backend(plan.get(), &backend), FATHOM_OK);
  EXPECT_EQ(backend, FATHOM_BACKEND_CPU);
  const char* config = nullptr;
  EXPECT_EQ(fathom_gemm_plan_config(plan.get(), &config), FATHOM_OK);
  EXPECT_THAT(std::string(config), StartsWith("cpu_"));
  const char* json = nullptr;
  EXPECT_EQ(fathom_gemm_plan_explain(plan.get(), &json), FATHOM_OK);
  EXPECT_EQ(nlohmann::json::parse(json)["config"]["tag"], config);
}

TEST(CApi, ForcesAConfig) {
  const ContextHandle context = make_context();
  Product product;
  product.args.config = "cpu_32x64x128_t1";
  EXPECT_EQ(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  product.args.config = "no such config";
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("no such config"));
}

TEST(CApi, CanImplementGivesTheReason) {
  const ContextHandle context = make_context();
  Product product;
  const char* reason = "unset";
  EXPECT_EQ(fathom_gemm_can_implement(context.get(), &product.args, &reason), FATHOM_OK);
  EXPECT_EQ(reason, nullptr);
  product.args.scale_a.shape[1] = 3;
  EXPECT_EQ(fathom_gemm_can_implement(context.get(), &product.args, &reason), FATHOM_OK);
  EXPECT_THAT(std::string(reason), StartsWith("gemm: scale_a has shape [8, 3]"));
}

TEST(CApi, QuantizesAndBack) {
  const ContextHandle context = make_context();
  std::array<float, 2 * 256> x;
  std::array<float, 2 * 256> back{};
  std::array<unsigned char, 2 * 256> q{};
  std::array<float, 2 * 2> scale{};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 9) - 4;
  fathom_quantize_args args{};
  args.struct_size = sizeof args;
  args.x = fathom_matrix(x.data(), FATHOM_FP32, 2, 256, 0);
  args.q = fathom_matrix(q.data(), FATHOM_E4M3, 2, 256, 0);
  args.scale = fathom_matrix(scale.data(), FATHOM_FP32, 2, 2, 0);
  args.flags = FATHOM_QUANTIZE_POWER_OF_TWO_SCALES;
  ASSERT_EQ(fathom_quantize(context.get(), &args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  EXPECT_THAT(scale, testing::Each(0x1p-6f)) << "4 / 448 rounded up to a power of two is 1/64";
  args.x = fathom_matrix(back.data(), FATHOM_FP32, 2, 256, 0);
  expect_failure(
      fathom_dequantize(context.get(), &args, nullptr), FATHOM_INVALID_ARGUMENT,
      AllOf(StartsWith("fathom_dequantize: flags are 0x1"), HasSubstr("knows the bits 0x0")));
  args.flags = 0;
  ASSERT_EQ(fathom_dequantize(context.get(), &args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  EXPECT_EQ(back, x) << "small integers by powers of two are exact";
}

TEST(CApi, BadInputIsAStatusWithTheMessage) {
  const ContextHandle context = make_context();
  Product product;
  product.args.scale_a.shape[1] = 3;
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 StartsWith("gemm: scale_a has shape [8, 3]; for m = 8 and k = 256 (one scale per "
                            "128 of k) it needs [8, 2]"));
  EXPECT_THAT(product.d, testing::Each(0.0f)) << "nothing was computed";
  product.args.scale_a.shape[1] = 2;
  EXPECT_EQ(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_OK);
  EXPECT_EQ(fathom_last_error_status(), FATHOM_INVALID_ARGUMENT) << "success leaves the last error";
  product.args.flags = std::uint64_t{1} << 40;
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("flags are 0x10000000000"));
}

TEST(CApi, NullIsRefusedByName) {
  const ContextHandle context = make_context();
  Product product;
  fathom_quantize_args quantize_args{};
  quantize_args.struct_size = sizeof quantize_args;
  const char* text = nullptr;
  std::int32_t backend = 0;
  fathom_gemm_plan* plan = nullptr;
  const auto code = FATHOM_INVALID_ARGUMENT;
  expect_failure(fathom_context_create(nullptr, nullptr), code,
                 StartsWith("fathom_context_create: context is NULL"));
  expect_failure(fathom_context_from_env(nullptr, nullptr), code,
                 StartsWith("fathom_context_from_env: context is NULL"));
  expect_failure(fathom_gemm(nullptr, &product.args, nullptr), code,
                 StartsWith("fathom_gemm: context is NULL"));
  expect_failure(fathom_gemm(context.get(), nullptr, nullptr), code,
                 StartsWith("fathom_gemm: fathom_gemm_args is NULL"));
  expect_failure(fathom_grouped_gemm(nullptr, &product.args, nullptr), code,
                 HasSubstr("context is NULL"));
  expect_failure(fathom_gemm_can_implement(context.get(), &product.args, nullptr), code,
                 HasSubstr("reason is NULL"));
  expect_failure(fathom_gemm_can_implement(nullptr, &product.args, &text), code,
                 HasSubstr("context is NULL"));
  expect_failure(fathom_gemm_plan_create(nullptr, &product.args, &plan), code,
                 HasSubstr("context is NULL"));
  expect_failure(fathom_gemm_plan_create(context.get(), &product.args, nullptr), code,
                 HasSubstr("plan is NULL"));
  expect_failure(fathom_gemm_plan_launch(nullptr, nullptr), code, HasSubstr("plan is NULL"));
  expect_failure(fathom_gemm_plan_backend(nullptr, &backend), code, HasSubstr("plan is NULL"));
  expect_failure(fathom_gemm_plan_config(nullptr, &text), code, HasSubstr("plan is NULL"));
  expect_failure(fathom_gemm_plan_explain(nullptr, &text), code, HasSubstr("plan is NULL"));
  expect_failure(fathom_quantize(nullptr, &quantize_args, nullptr), code,
                 HasSubstr("context is NULL"));
  expect_failure(fathom_dequantize(context.get(), nullptr, nullptr), code,
                 HasSubstr("fathom_quantize_args is NULL"));
  EXPECT_EQ(plan, nullptr);
  fathom_context_destroy(nullptr);
  fathom_gemm_plan_destroy(nullptr);
}

TEST(CApi, AnOlderCallerHasASmallerStruct) {
  const ContextHandle context = make_context();
  Product product;
  // As if the members from `flags` on had been added after the caller was compiled: the bytes there
  // are not its own.
  const std::size_t old_size = offsetof(fathom_gemm_args, flags);
  std::memset(reinterpret_cast<char*>(&product.args) + old_size, 0xee,
              sizeof product.args - old_size);
  product.args.struct_size = old_size;
  ASSERT_EQ(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  EXPECT_THAT(product.d, testing::Each(256.0f));
}

TEST(CApi, ANewerCallerHasALargerStruct) {
  const ContextHandle context = make_context();
  Product product;
  struct {
    fathom_gemm_args args;
    std::uint64_t added;
  } newer{product.args, 0};
  newer.args.struct_size = sizeof newer;
  ASSERT_EQ(fathom_gemm(context.get(), &newer.args, nullptr), FATHOM_OK)
      << fathom_last_error_message();
  newer.added = 1;
  expect_failure(fathom_gemm(context.get(), &newer.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("leave them zero, or use a library that has them"));
}

TEST(CApi, AForgottenStructSizeIsNamed) {
  const ContextHandle context = make_context();
  Product product;
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, ~std::size_t{0}}) {
    product.args.struct_size = size;
    expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_INVALID_ARGUMENT,
                   HasSubstr("set it to sizeof(fathom_gemm_args), which is " +
                             std::to_string(sizeof product.args)));
  }
}

struct LogRecord {
  int calls = 0;
  std::int32_t level = 0;
  std::string message;
};

void record(void* user_data, std::int32_t level, const char* message) {
  auto* log = static_cast<LogRecord*>(user_data);
  ++log->calls;
  log->level = level;
  log->message = message;
}

TEST(CApi, ContextOptionsComeThrough) {
  LogRecord log;
  fathom_context_options options{};
  options.struct_size = sizeof options;
  options.openblas = "/nowhere/libopenblas.so";
  options.site_packages = "/nowhere/packages";
  options.line_info = 1;
  options.num_threads = 2;
  options.log = record;
  options.log_user_data = &log;
  options.log_level = FATHOM_LOG_DEBUG;
  fathom_context* made = nullptr;
  ASSERT_EQ(fathom_context_create(&options, &made), FATHOM_OK) << fathom_last_error_message();
  const ContextHandle context(made);
  Product product;
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_UNSUPPORTED,
                 HasSubstr("/nowhere/libopenblas.so"));
  options.log_level = 9;
  made = nullptr;
  expect_failure(fathom_context_create(&options, &made), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("log_level is 9"));
  options.log_level = 0;
  options.num_threads = -1;
  expect_failure(fathom_context_create(&options, &made), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("num_threads is -1"));
  EXPECT_EQ(made, nullptr) << "written on success only";
}

TEST(CApi, OverridesComeBeforeTheEnvironment) {
  const fathom::test::ScopedVariable openblas("FATHOM_OPENBLAS", "/from/the/environment.so");
  Product product;
  fathom_context* made = nullptr;
  ASSERT_EQ(fathom_context_from_env(nullptr, &made), FATHOM_OK);
  ContextHandle context(made);
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_UNSUPPORTED,
                 HasSubstr("/from/the/environment.so"));
  fathom_context_options overrides{};
  overrides.struct_size = sizeof overrides;
  overrides.openblas = "/from/the/caller.so";
  ASSERT_EQ(fathom_context_from_env(&overrides, &made), FATHOM_OK);
  context.reset(made);
  expect_failure(fathom_gemm(context.get(), &product.args, nullptr), FATHOM_UNSUPPORTED,
                 HasSubstr("/from/the/caller.so"));
  const fathom::test::ScopedVariable log("FATHOM_LOG", "loud");
  expect_failure(fathom_context_from_env(nullptr, &made), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("FATHOM_LOG is \"loud\""));
}

TEST(CApi, ErrorsBelongToTheirThread) {
  const ContextHandle context = make_context();
  Product mine;
  mine.args.d.shape[0] = 9;
  expect_failure(fathom_gemm(context.get(), &mine.args, nullptr), FATHOM_INVALID_ARGUMENT,
                 HasSubstr("d has shape [9, 144]"));
  std::thread([&] {
    EXPECT_EQ(fathom_last_error_status(), FATHOM_OK);
    EXPECT_STREQ(fathom_last_error_message(), "");
    Product theirs;
    theirs.args.b.shape[1] = 5;
    expect_failure(fathom_gemm(context.get(), &theirs.args, nullptr), FATHOM_INVALID_ARGUMENT,
                   HasSubstr("b has shape [144, 5]"));
  }).join();
  EXPECT_THAT(std::string(fathom_last_error_message()), HasSubstr("d has shape [9, 144]"));
}

TEST(CApi, ThreadsShareAContext) {
  const ContextHandle context = make_context();
  std::vector<std::string> faults(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < faults.size(); ++t) {
    threads.emplace_back([&, t] {
      const auto value = static_cast<float>(t + 1);
      for (int round = 0; round < 20 && faults[t].empty(); ++round) {
        Product product(value);
        const bool refused = round % 2 == 1;
        if (refused) product.args.a.shape[0] = static_cast<std::int64_t>(1000 + t);
        const fathom_status status = fathom_gemm(context.get(), &product.args, nullptr);
        const std::string message = fathom_last_error_message();
        if (refused) {
          if (status != FATHOM_INVALID_ARGUMENT ||
              message.find(std::to_string(1000 + t)) == std::string::npos) {
            faults[t] = "another thread's error: " + message;
          }
        } else if (status != FATHOM_OK || product.d[7] != value * 256) {
          faults[t] = "wrong result or " + message;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& fault : faults) EXPECT_EQ(fault, "");
}

}  // namespace
