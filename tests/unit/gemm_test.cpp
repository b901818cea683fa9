// gemm and grouped_gemm through the public interface: plans, backends, launches, errors before
// anything is written.
#include <fathom/gemm.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "reference/gemm.hpp"
#include "reference/problem_data.hpp"
#include "reference/tolerance.hpp"
#include "support/fake_operands.hpp"

namespace fathom {
namespace {

using reference::ProblemData;
using reference::ProblemSpec;
using test::FakeGemm;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Form = Groups::Form;

constexpr Form kForms[] = {Form::kNone, Form::kOffsets, Form::kRowGroup, Form::kGroupEnd,
                           Form::kMasked};

ProblemSpec small(Form form, std::uint64_t seed = 1) {
  ProblemSpec spec;
  spec.form = form;
  spec.m = 70;
  spec.n = 136;
  spec.k = 200;
  spec.num_groups = form == Form::kNone ? 1 : 3;
  spec.data = reference::DataKind::kExact;
  spec.seed = seed;
  return spec;
}

/// What is wrong with D, in words; empty when it is right and nothing else was written.
std::string fault_of(ProblemData& data, Backend backend) {
  const auto size = static_cast<std::size_t>(data.d_rows() * data.problem().n);
  std::vector<double> exact(size);
  std::vector<double> magnitude(size);
  // The exact sums read D where it is accumulated, so they are taken from a second copy.
  const ProblemData untouched(data.spec());
  reference::gemm_fp64(untouched.problem(), untouched.operands(), exact.data());
  reference::gemm_magnitude(untouched.problem(), untouched.operands(), magnitude.data());
  const reference::Tolerance tolerance = reference::tolerance_of(data.problem().out, backend);
  const reference::Comparison result = reference::compare(
      data.problem(), data.groups(), data.operands().d, exact.data(), magnitude.data(), tolerance);
  return result.passed ? data.d_damage() : result.text(data.problem(), tolerance, "");
}

template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorCode::kInternal, ""};
}

void call_once(const Context& context, const ProblemData& data, const GemmOptions& options) {
  if (data.problem().grouped()) {
    grouped_gemm(context, data.operands(), options);
  } else {
    gemm(context, data.operands(), options);
  }
}

TEST(Gemm, EveryFormOnEveryCpuBackend) {
  const Context context;
  for (const Form form : kForms) {
    for (const Backend backend : {Backend::kAuto, Backend::kCpu, Backend::kReference}) {
      ProblemData data(small(form));
      GemmOptions options = data.options();
      options.backend = backend;
      call_once(context, data, options);
      EXPECT_EQ(fault_of(data, backend == Backend::kReference ? backend : Backend::kCpu), "")
          << "form " << static_cast<int>(form) << " on " << to_string(backend);
    }
  }
}

TEST(Gemm, AutoIsTheCpuForCpuTensors) {
  const ProblemData data(small(Form::kNone));
  const GemmPlan plan = plan_gemm(Context(), data.operands());
  EXPECT_EQ(plan.backend(), Backend::kCpu);
  EXPECT_THAT(plan.config(), StartsWith("cpu_"));
  const GemmPlan slow = plan_gemm(Context(), data.operands(), {.backend = Backend::kReference});
  EXPECT_EQ(slow.backend(), Backend::kReference);
  EXPECT_EQ(slow.config(), "reference");
}

TEST(Gemm, ExplainSaysWhatRunsAndWhy) {
  const Context context(ContextOptions{.num_threads = 2});
  const ProblemData data(small(Form::kMasked));
  const GemmPlan plan = plan_gemm(context, data.operands(), data.options());
  const auto json = nlohmann::json::parse(plan.explain());
  EXPECT_EQ(json["operation"], "grouped_gemm");
  EXPECT_EQ(json["backend"], "cpu");
  EXPECT_EQ(json["config"]["tag"], plan.config());
  EXPECT_GE(json["config"]["threads"], 1);
  EXPECT_EQ(json["problem"]["layout"], "masked");
  EXPECT_EQ(json["problem"]["m"], 70);
  EXPECT_EQ(json["problem"]["n"], 136);
  EXPECT_EQ(json["problem"]["k"], 200);
  EXPECT_EQ(json["problem"]["groups"], 3);
  EXPECT_EQ(json["problem"]["out_dtype"], "bf16");
  EXPECT_EQ(json["problem"]["scale_a_contiguous"], "m");
  EXPECT_EQ(json["problem"]["scale_a_aligned"], true);
  EXPECT_FALSE(json["why"].get<std::string>().empty());
  EXPECT_EQ(plan.explain(), plan_gemm(context, data.operands(), data.options()).explain())
      << "the same text every time";
}

TEST(Gemm, PlanOutlivesItsContextAndIsLaunchedAgain) {
  ProblemData data(small(Form::kOffsets));
  std::optional<Context> context(std::in_place);
  const GemmPlan plan = plan_gemm(*context, data.operands(), data.options());
  context.reset();
  plan.launch();
  EXPECT_EQ(fault_of(data, Backend::kCpu), "");
  data.reset_d();
  plan.launch();
  EXPECT_EQ(fault_of(data, Backend::kCpu), "");
}

TEST(Gemm, AccumulatesIntoFp32) {
  for (const Backend backend : {Backend::kCpu, Backend::kReference}) {
    ProblemSpec spec = small(Form::kNone);
    spec.out = DType::kFp32;
    spec.accumulate = true;
    ProblemData data(spec);
    GemmOptions options = data.options();
    options.backend = backend;
    gemm(Context(), data.operands(), options);
    EXPECT_EQ(fault_of(data, backend), "") << to_string(backend);
  }
}

TEST(Gemm, NoRowsAndNoK) {
  const Context context;
  for (const Form form : kForms) {
    for (const Backend backend : {Backend::kCpu, Backend::kReference}) {
      for (const bool no_rows : {false, true}) {
        ProblemSpec spec = small(form);
        (no_rows ? spec.m : spec.k) = 0;
        ProblemData data(spec);
        GemmOptions options = data.options();
        options.backend = backend;
        call_once(context, data, options);
        EXPECT_EQ(fault_of(data, backend), "")
            << "form " << static_cast<int>(form) << (no_rows ? " m = 0" : " k = 0") << " on "
            << to_string(backend);
      }
    }
  }
}

TEST(Gemm, MetadataIsCheckedAtEachLaunchBeforeDIsTouched) {
  for (const Backend backend : {Backend::kCpu, Backend::kReference}) {
    ProblemData data(small(Form::kOffsets));
    GemmOptions options = data.options();
    options.backend = backend;
    const GemmPlan plan = plan_gemm(Context(), data.operands(), options);
    auto* offsets = static_cast<std::int32_t*>(data.operands().groups.index.data);
    const std::int32_t good = offsets[1];
    offsets[1] = -5;
    std::vector<std::byte> before(data.d_memory().data(),
                                  data.d_memory().data() + data.d_memory().bytes());
    const Error error = error_of([&] { plan.launch(); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), AllOf(StartsWith("grouped_gemm: "), HasSubstr("offsets[1] is -5")));
    EXPECT_TRUE(std::equal(before.begin(), before.end(), data.d_memory().data()))
        << to_string(backend);
    offsets[1] = good;
    plan.launch();
    EXPECT_EQ(fault_of(data, backend), "");
  }
}

TEST(Gemm, EachFunctionTakesItsOwnOperands) {
  const ProblemData grouped(small(Form::kMasked));
  const Error dense_error = error_of([&] { gemm(Context(), grouped.operands()); });
  EXPECT_EQ(dense_error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(dense_error.what(), AllOf(StartsWith("gemm: "), HasSubstr("call grouped_gemm")));
  const ProblemData dense(small(Form::kNone));
  const Error grouped_error = error_of([&] { grouped_gemm(Context(), dense.operands()); });
  EXPECT_EQ(grouped_error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(grouped_error.what(), AllOf(StartsWith("grouped_gemm: "), HasSubstr("call gemm")));
}

TEST(Gemm, BadInputIsRefusedBeforeDIsTouched) {
  ProblemData data(small(Form::kNone));
  GemmOperands operands = data.operands();
  operands.scale_a.shape[0] = 69;
  const std::vector<std::byte> before(data.d_memory().data(),
                                      data.d_memory().data() + data.d_memory().bytes());
  const Error error = error_of([&] { gemm(Context(), operands); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), data.d_memory().data()));
}

TEST(Gemm, CanImplementGivesTheReason) {
  const Context context;
  GemmOperands operands = FakeGemm{}.operands();  // invented addresses: reading data would crash
  EXPECT_EQ(can_implement(context, operands), std::nullopt);
  EXPECT_EQ(can_implement(context, operands, {.backend = Backend::kReference}), std::nullopt);
  operands.a.stride[0] = 250;
  EXPECT_THAT(can_implement(context, operands).value(),
              StartsWith("gemm: a has shape [64, 256] and strides [250, 1]"));
}

TEST(Gemm, RefusesAConfigOfAnotherBackend) {
  const ProblemData data(small(Form::kNone));
  for (const Backend backend : {Backend::kCpu, Backend::kReference}) {
    const GemmOptions options{.backend = backend, .config = "128x112_s5"};
    EXPECT_THAT(can_implement(Context(), data.operands(), options).value(),
                HasSubstr("config is \"128x112_s5\""));
    EXPECT_EQ(error_of([&] { plan_gemm(Context(), data.operands(), options); }).code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST(Gemm, RunsTheConfigThatIsForced) {
  ProblemData data(small(Form::kNone));
  const GemmPlan plan = plan_gemm(Context(), data.operands(), {.config = "cpu_32x64x128_t2"});
  EXPECT_EQ(plan.config(), "cpu_32x64x128_t2");
  plan.launch();
  EXPECT_EQ(fault_of(data, Backend::kCpu), "");
}

TEST(Gemm, MissingOpenBlasIsUnsupportedWithTheFilesTried) {
  const Context context(ContextOptions{.openblas = "/nowhere/libopenblas.so"});
  const ProblemData data(small(Form::kNone));
  EXPECT_THAT(can_implement(context, data.operands()).value(),
              HasSubstr("/nowhere/libopenblas.so"));
  EXPECT_EQ(error_of([&] { gemm(context, data.operands()); }).code(), ErrorCode::kUnsupported);
}

// One Context, eight threads, each with problems of its own.
TEST(Gemm, ThreadsShareAContext) {
  const Context context(ContextOptions{.num_threads = 2});
  std::vector<std::string> faults(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < faults.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t round = 0; round < 6 && faults[t].empty(); ++round) {
        ProblemSpec spec = small(kForms[(t + round) % std::size(kForms)], 100 * t + round);
        spec.m += static_cast<std::int64_t>(7 * t);
        spec.n += static_cast<std::int64_t>(8 * round);
        ProblemData data(spec);
        call_once(context, data, data.options());
        faults[t] = fault_of(data, Backend::kCpu);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& fault : faults) EXPECT_EQ(fault, "");
}

// Eight threads read the same operands, each into a D of its own.
TEST(Gemm, ThreadsShareInputs) {
  const Context context(ContextOptions{.num_threads = 2});
  const ProblemData shared(small(Form::kGroupEnd));
  std::vector<std::vector<std::uint16_t>> outputs(8);
  std::vector<std::thread> threads;
  for (auto& output : outputs) {
    threads.emplace_back([&] {
      GemmOperands operands = shared.operands();
      output.assign(static_cast<std::size_t>(shared.d_rows() * operands.d.stride[0]), 0);
      operands.d.data = output.data();
      const GemmPlan plan = plan_gemm(context, operands);
      for (int i = 0; i < 5; ++i) plan.launch();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& output : outputs) EXPECT_EQ(output, outputs[0]);
}

}  // namespace
}  // namespace fathom
