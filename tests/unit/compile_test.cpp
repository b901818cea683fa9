// Kernels ahead of the first call: which a range asks for, and compiling them, in C++ and in C. No
// GPU.
#include <fathom/c_api.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fathom/compile.hpp>
#include <fathom/gemm.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "api/compile.hpp"
#include "api/cuda_runtime.hpp"
#include "plan/gemm_planner.hpp"
#include "plan/gemm_range.hpp"
#include "plan/kernel_set.hpp"
#include "support/fake_compiler.hpp"
#include "support/scratch_directory.hpp"

namespace fathom {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

// A caller's word for a caller's word: every m of the range, planned alone.
TEST(GemmConfigs, AreThoseThatThePlannerChooses) {
  GemmRange range{.n = 2112, .k = 7168, .min_m = 0, .max_m = 300, .device = "h200"};
  std::set<std::string> planned;
  for (std::int64_t m = 1; m <= 300; ++m) {
    const plan::GemmPlan plan = plan::plan_gemm(plan::problem_of(range, m), plan::DeviceSpec{});
    planned.insert(plan::gemm_tag(plan.config));
  }
  EXPECT_GT(planned.size(), 2u);
  EXPECT_THAT(gemm_configs(Context(), range), UnorderedElementsAreArray(planned));
  range.max_m = 0;
  EXPECT_TRUE(gemm_configs(Context(), range).empty()) << "nothing is launched for m = 0";
}

TEST(GemmConfigs, SayWhatARangeNeeds) {
  const auto refusal = [](const GemmRange& range) {
    return error_of([&] { gemm_configs(Context(), range); });
  };
  EXPECT_THAT(refusal({.n = 0, .k = 128, .max_m = 1}), HasSubstr("n is 0"));
  EXPECT_THAT(refusal({.n = 8, .k = -1, .max_m = 1}), HasSubstr("k is -1"));
  EXPECT_THAT(refusal({.n = 8, .k = 128, .min_m = 5, .max_m = 4}), HasSubstr("5 to 4"));
  EXPECT_THAT(refusal({.n = 8, .k = 128, .min_m = 0, .max_m = 1 << 20}), HasSubstr("in parts"));
  EXPECT_THAT(refusal({.n = 8, .k = 128, .num_groups = 4, .max_m = 4}), HasSubstr("set a form"));
  EXPECT_THAT(refusal({.n = 8, .k = 128, .max_m = 4, .device = "b200"}), HasSubstr("h100"));
}

class CompileTest : public ::testing::Test {
 protected:
  /// Its cache holds these kernels; it has no compiler and no driver.
  Context context_with(const std::vector<std::string>& configs) {
    const ContextOptions options{
        .cache_dir = scratch_.file("cache"), .libcuda = "/nowhere.so", .compiler = "none"};
    const Context context(options);
    jit::Builder builder(api::builder_options(context, 13), embedded::device_sources(),
                         std::make_shared<testing::FakeCompiler>());
    for (const std::string& config : configs) {
      const auto kernel = plan::find_kernel(config).value();
      builder.build(kernel.name, kernel.source);
    }
    return context;
  }

  testing::ScratchDirectory scratch_;
};

TEST_F(CompileTest, GivesEveryKernelAndTellsHowFarItIs) {
  const std::vector<std::string> configs = {"scales", "bf16_1x128", "bf16_128x128"};
  std::vector<std::int64_t> seen;
  const auto kernels = compile(context_with(configs), configs,
                               {.jobs = 2, .progress = [&](std::int64_t done, std::int64_t total) {
                                  EXPECT_EQ(total, 3);
                                  seen.push_back(done);
                                }});
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 2, 3));
  ASSERT_EQ(kernels.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(kernels[i].config, configs[i]);
    EXPECT_EQ(kernels[i].name, "fp8_quantize_" + configs[i]);
    EXPECT_TRUE(kernels[i].cached);
    EXPECT_EQ(kernels[i].registers, 168);
    EXPECT_GT(kernels[i].bytes, 0);
  }
}

TEST_F(CompileTest, RefusesUnknownTagsAndTellsWhatIsMissing) {
  const Context context = context_with({"scales"});
  EXPECT_THAT(error_of([&] { compile(context, {"scales", "faster"}); }), HasSubstr("\"faster\""));
  EXPECT_THAT(error_of([&] { compile(context, {"scales"}, {.jobs = -1}); }),
              HasSubstr("jobs is -1"));
  EXPECT_THAT(error_of([&] { compile(context, {"bf16_1x128"}); }),
              HasSubstr("fp8_quantize_bf16_1x128"));
}

struct ContextDeleter {
  void operator()(fathom_context* context) const { fathom_context_destroy(context); }
};

std::unique_ptr<fathom_context, ContextDeleter> c_context(const Context& like) {
  fathom_context_options options{};
  options.struct_size = sizeof options;
  options.cache_dir = like.options().cache_dir.c_str();
  options.libcuda = like.options().libcuda.c_str();
  options.compiler = like.options().compiler.c_str();
  fathom_context* context = nullptr;
  EXPECT_EQ(fathom_context_create(&options, &context), FATHOM_OK) << fathom_last_error_message();
  return std::unique_ptr<fathom_context, ContextDeleter>(context);
}

TEST_F(CompileTest, ComesThroughC) {
  const char* configs[] = {"scales", "bf16_1x128"};
  const auto context = c_context(context_with({"scales", "bf16_1x128"}));
  std::int64_t calls = 0;
  fathom_compile_args args{};
  args.struct_size = sizeof args;
  args.configs = configs;
  args.num_configs = 2;
  args.progress_user_data = &calls;
  args.progress = [](void* user_data, std::int64_t, std::int64_t) {
    ++*static_cast<std::int64_t*>(user_data);
    return std::int32_t{0};
  };
  const char* text = nullptr;
  ASSERT_EQ(fathom_compile(context.get(), &args, &text), FATHOM_OK) << fathom_last_error_message();
  EXPECT_EQ(calls, 2);
  const auto kernels = nlohmann::json::parse(text)["kernels"];
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[1]["config"], "bf16_1x128");
  EXPECT_EQ(kernels[1]["cached"], true);
  args.jobs = 1;  // of two at once, the second may be done before the first is stopped
  args.progress = [](void*, std::int64_t, std::int64_t) { return std::int32_t{1}; };
  EXPECT_EQ(fathom_compile(context.get(), &args, nullptr), FATHOM_COMPILE_FAILED);
  EXPECT_THAT(std::string(fathom_last_error_message()), HasSubstr("after 1 of 2"));
}

TEST(CGemmConfigs, ListTheRangeAndTheWholeSet) {
  const auto context = c_context(Context(ContextOptions{.libcuda = "/nowhere.so"}));
  const char* const* tags = nullptr;
  std::int64_t count = 0;
  ASSERT_EQ(fathom_all_configs(&tags, &count), FATHOM_OK);
  EXPECT_EQ(static_cast<std::size_t>(count), plan::all_kernels().size());
  fathom_gemm_range range{};
  range.struct_size = sizeof range;
  range.n = 4096;
  range.k = 7168;
  range.min_m = 1;
  range.max_m = 8;
  ASSERT_EQ(fathom_gemm_configs(context.get(), &range, &tags, &count), FATHOM_OK)
      << fathom_last_error_message();
  const GemmRange same{.n = 4096, .k = 7168, .max_m = 8};
  const Context here(ContextOptions{.libcuda = "/nowhere.so"});
  EXPECT_EQ(std::vector<std::string>(tags, tags + count), gemm_configs(here, same));
  range.scale_b_block = FATHOM_BLOCK_1X128_TRANSPOSED;
  EXPECT_EQ(fathom_gemm_configs(context.get(), &range, &tags, &count), FATHOM_INVALID_ARGUMENT);
  EXPECT_THAT(std::string(fathom_last_error_message()), HasSubstr("scale_b_block is 3"));
}

TEST(CExplain, PlansForAGpuThatIsNotHere) {
  alignas(16) static float memory[64];
  auto* base = reinterpret_cast<unsigned char*>(memory);
  fathom_gemm_args args{};
  args.struct_size = sizeof args;
  args.a = fathom_matrix(base, FATHOM_E4M3, 1, 16, 0);
  args.b = fathom_matrix(base + 16, FATHOM_E4M3, 1, 16, 0);
  args.scale_a = fathom_matrix(base + 32, FATHOM_FP32, 1, 1, 0);
  args.scale_b = fathom_matrix(base + 48, FATHOM_FP32, 1, 1, 0);
  args.d = fathom_matrix(base + 64, FATHOM_BF16, 1, 1, 8);
  const char* json = nullptr;
  ASSERT_EQ(fathom_gemm_explain(&args, "h20", &json), FATHOM_OK) << fathom_last_error_message();
  const auto plan = nlohmann::json::parse(json);
  EXPECT_EQ(plan["backend"], "cuda");
  EXPECT_EQ(plan["problem"]["k"], 16);
  EXPECT_FALSE(plan["config"]["tag"].get<std::string>().empty());
  EXPECT_EQ(fathom_gemm_explain(&args, "h300", &json), FATHOM_INVALID_ARGUMENT);
  EXPECT_THAT(std::string(fathom_last_error_message()), HasSubstr("h300"));
}

}  // namespace
}  // namespace fathom
