// Groups on the CUDA backend, from the public interface to the driver's calls, over the recording
// driver: what is launched, with what, and that the host reads no metadata.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include <fathom/gemm.hpp>

#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "gemm/params.hpp"
#include "plan/gemm_configs.hpp"
#include "support/fake_kernels.hpp"
#include "support/recording_cuda.hpp"

namespace fathom {
namespace {

using device::gemm::GroupForm;
using device::gemm::Params;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Form = Groups::Form;

class GemmGroupedCudaTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { testing::remove_cache_of_fakes(); }

  GemmGroupedCudaTest() { gpu_.set("param_bytes", sizeof(Params)); }

  Context context() {
    if (!context_) {
      context_.emplace(ContextOptions{
          .cache_dir = testing::cache_of_fakes(), .libcuda = gpu_.path(), .compiler = "none"});
    }
    return *context_;
  }
  const cuda::Device& device() { return cuda::Driver::load(gpu_.path()).device(0); }

  /// 3 groups of up to m rows (masked: each), n = 200, k = 300.
  struct Operands {
    std::vector<cuda::Buffer> memory;
    cuda::Buffer index;
    GemmOperands views;
  };
  static constexpr std::int64_t kGroups = 3, kM = 96, kN = 200, kPitch = 304, kScalePitch = 96;
  template <typename Index>
  Operands make(Form form, const std::vector<Index>& index, std::int64_t k = 300) {
    const Device where{DeviceType::kCuda, 0};
    Operands o;
    const auto buffer = [&](std::int64_t bytes) {
      o.memory.emplace_back(device(), bytes);
      return o.memory.back().data();
    };
    const std::int64_t planes = form == Form::kMasked ? kGroups : 1, blocks = (k + 127) / 128;
    void* a = buffer(planes * kM * kPitch);
    void* scale_a = buffer(planes * 3 * kScalePitch * 4);
    void* d = buffer(planes * kM * kN * 2);
    o.views.a = TensorView::batch(a, DType::kE4M3, planes, kM, k, kPitch, 0, where);
    o.views.scale_a =
        TensorView::batch(scale_a, DType::kFp32, planes, blocks, kM, kScalePitch, 0, where)
            .transposed();
    o.views.d = TensorView::batch(d, DType::kBf16, planes, kM, kN, 0, 0, where);
    if (form != Form::kMasked) {
      for (TensorView* view : {&o.views.a, &o.views.scale_a, &o.views.d}) {
        view->rank = 2;
        std::rotate(view->shape.begin(), view->shape.begin() + 1, view->shape.end());
        std::rotate(view->stride.begin(), view->stride.begin() + 1, view->stride.end());
      }
    }
    o.views.b = TensorView::batch(buffer(kGroups * kN * kPitch), DType::kE4M3, kGroups, kN, k,
                                  kPitch, 0, where);
    o.views.scale_b = TensorView::batch(buffer(kGroups * 2 * 3 * 4), DType::kFp32, kGroups, 2,
                                        blocks, 0, 0, where);
    o.index = cuda::Buffer(device(), static_cast<std::int64_t>(index.size() * sizeof(Index)));
    o.index.upload(index.data(), o.index.bytes());
    o.views.groups.form = form;
    o.views.groups.index =
        TensorView::vector(o.index.data(), sizeof(Index) == 8 ? DType::kInt64 : DType::kInt32,
                           static_cast<std::int64_t>(index.size()), where);
    return o;
  }
  /// What the only launch was given.
  Params launched() {
    const auto launches = gpu_.launches();
    EXPECT_EQ(launches.size(), 1u);
    Params params{};
    if (!launches.empty()) std::memcpy(&params, launches[0].params, sizeof(params));
    return params;
  }
  static std::string error_of(const std::function<void()>& action, ErrorCode code) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }

  testing::RecordingCuda gpu_;
  std::optional<Context> context_;
};

RecordingCudaTensorMap decode(const device::gemm::TensorMap& map) {
  RecordingCudaTensorMap decoded;
  std::memcpy(&decoded, &map, sizeof(decoded));
  return decoded;
}

TEST_F(GemmGroupedCudaTest, OffsetsOfBothTypesGoToTheKernelUnread) {
  Operands narrow = make<std::int32_t>(Form::kOffsets, {0, 5, 5, 90});
  const GemmPlan plan = plan_gemm(context(), narrow.views);
  EXPECT_TRUE(plan::find_gemm_config(plan.config())->grouped);
  gpu_.clear_record();
  plan.launch();
  const Params p = launched();
  EXPECT_EQ(p.groups.data, narrow.index.data());
  EXPECT_EQ(p.groups.form, GroupForm::kOffsets);
  EXPECT_EQ(p.groups.is_int64, 0);
  EXPECT_EQ(p.groups.num_groups, kGroups);
  EXPECT_EQ(p.groups.rows, kM);
  EXPECT_EQ(p.b_group_rows, kN);
  EXPECT_EQ(p.a_group_rows, 0);
  EXPECT_EQ(p.scales_of_b.group_stride, 2 * 3);
  EXPECT_EQ(decode(p.b).dims[1], static_cast<std::uint64_t>(kGroups * kN));
  EXPECT_EQ(decode(p.a).dims[1], static_cast<std::uint64_t>(kM));
  for (const char* call : {"cuMemcpyDtoHAsync", "cuStreamSynchronize", "cuMemAlloc"})
    EXPECT_EQ(gpu_.count(call), 0) << call;
  gpu_.clear_record();
  const Operands wide = make<std::int64_t>(Form::kOffsets, {0, 5, 5, 90});
  grouped_gemm(context(), wide.views);
  EXPECT_EQ(launched().groups.is_int64, 1);
}

TEST_F(GemmGroupedCudaTest, MaskedGroupsAreRowsOfOneMatrix) {
  const Operands o = make<std::int32_t>(Form::kMasked, {0, 96, 7});
  grouped_gemm(context(), o.views);
  const Params p = launched();
  EXPECT_EQ(p.groups.form, GroupForm::kMasked);
  EXPECT_EQ(p.groups.rows, kM);
  EXPECT_EQ(p.a_group_rows, kM);
  EXPECT_EQ(p.d_group_rows, kM);
  EXPECT_EQ(decode(p.a).dims[1], static_cast<std::uint64_t>(kGroups * kM));
  EXPECT_EQ(p.scales_of_a.by_tma, 1);
  EXPECT_EQ(p.scales_of_a.group_blocks, 3);
}

TEST_F(GemmGroupedCudaTest, RowGroupsCarryAlignmentAndZeroPadding) {
  Operands o = make<std::int32_t>(Form::kRowGroup, std::vector<std::int32_t>(kM, 1));
  o.views.groups.alignment = 32;
  grouped_gemm(context(), o.views, {.zero_padding = true});
  EXPECT_EQ(launched().groups.form, GroupForm::kRowGroup);
  EXPECT_EQ(launched().groups.alignment, 32);
  EXPECT_EQ(launched().zero_padding, 1);
  gpu_.clear_record();
  Operands ends = make<std::int32_t>(Form::kGroupEnd, {5, 40, 70});
  ends.views.groups.alignment = 16;
  grouped_gemm(context(), ends.views);
  EXPECT_EQ(launched().groups.form, GroupForm::kGroupEnd);
  EXPECT_EQ(launched().groups.alignment, 16);
  EXPECT_EQ(launched().zero_padding, 0);
}

TEST_F(GemmGroupedCudaTest, CheckedMetadataIsReadAtEachLaunch) {
  Operands o = make<std::int32_t>(Form::kOffsets, {0, 5, 4, 90});
  const GemmPlan plan = plan_gemm(context(), o.views, {.check_metadata = true});
  EXPECT_THAT(error_of([&] { plan.launch(); }, ErrorCode::kInvalidArgument),
              AllOf(HasSubstr("offsets[2] is 4"), HasSubstr("ascend")));
  EXPECT_TRUE(gpu_.launches().empty());
  const std::int32_t good[] = {0, 5, 6, 90};
  o.index.upload(good, sizeof good);
  plan.launch();
  EXPECT_EQ(gpu_.launches().size(), 1u);
  const std::int32_t past[] = {0, 5, 6, 97};
  o.index.upload(past, sizeof past);
  EXPECT_THAT(error_of([&] { plan.launch(); }, ErrorCode::kInvalidArgument),
              HasSubstr("but a has 96 rows"));
}

TEST_F(GemmGroupedCudaTest, WithoutKTheKernelStoresZerosFromZeros) {
  const Operands o = make<std::int32_t>(Form::kMasked, {1, 2, 3}, 0);
  const GemmPlan plan = plan_gemm(context(), o.views);
  gpu_.clear_record();
  plan.launch();
  const Params p = launched();
  EXPECT_EQ(p.k_blocks, 1);
  EXPECT_EQ(p.scales_of_a.by_tma, 0);
  EXPECT_EQ(p.scales_of_a.count, 1);
  EXPECT_EQ(p.scales_of_a.stride, 0);
  EXPECT_EQ(p.scales_of_b.group_stride, 0);
  EXPECT_EQ(decode(p.a).dims[1], 1u);
  EXPECT_EQ(decode(p.b).dims[1], 1u);
  EXPECT_EQ(decode(p.a).base, decode(p.b).base);
  EXPECT_NE(p.scales_of_a.data, nullptr);
  EXPECT_EQ(gpu_.count("cuMemAlloc"), 0) << "at launch";
}

TEST_F(GemmGroupedCudaTest, WithoutKACallMayBeCaptured) {
  const Operands o = make<std::int32_t>(Form::kMasked, {1, 2, 3}, 0);
  const cuda::Stream stream(device());
  gpu_.clear_record();
  stream.begin_capture();
  grouped_gemm(context(), o.views, {}, stream.handle());
  grouped_gemm(context(), o.views, {}, stream.handle());
  const cuda::abi::GraphExec graph = stream.end_capture();
  EXPECT_EQ(gpu_.count("cuMemAlloc"), 1);
  EXPECT_EQ(gpu_.count("cuMemFree"), 0) << "the graph reads it";
  stream.replay(graph);
  stream.destroy_graph(graph);
}

TEST_F(GemmGroupedCudaTest, CanImplementTellsWhatIsRefused) {
  Operands o = make<std::int32_t>(Form::kMasked, {1, 2, 3});
  EXPECT_EQ(can_implement(context(), o.views), std::nullopt);
  GemmOperands odd = o.views;
  odd.d.stride[0] += 8;  // legal by its 16 bytes, but no multiple of the row pitch
  EXPECT_THAT(can_implement(context(), odd).value_or(""), HasSubstr("row pitch"));
  GemmOperands host = o.views;
  std::int32_t rows[3] = {};
  host.groups.index.data = rows;
  EXPECT_THAT(can_implement(context(), host).value_or(""), HasSubstr("grouped_gemm: groups"));
  EXPECT_TRUE(gpu_.launches().empty());
}

}  // namespace
}  // namespace fathom
