// One test for each rule of check_gemm: the code and the essential words.
#include "api/gemm_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/fake_operands.hpp"

namespace fathom {
namespace {

using api::check_gemm;
using test::FakeGemm;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Form = Groups::Form;

constexpr Form kGroupedForms[] = {Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked};

void* address(std::uintptr_t value) {
  return reinterpret_cast<void*>(value);
}

void* moved(void* data, std::intptr_t bytes) {
  return address(reinterpret_cast<std::uintptr_t>(data) + static_cast<std::uintptr_t>(bytes));
}

template <typename Matcher>
void expect_refused(const GemmOperands& operands, Matcher message,
                    ErrorCode code = ErrorCode::kInvalidArgument, const GemmOptions& options = {}) {
  try {
    check_gemm(operands, options);
    ADD_FAILURE() << "the call passed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(std::string(error.what()), message);
  }
}

GemmOperands dense() {
  return FakeGemm{}.operands();
}
GemmOperands grouped(Form form) {
  return FakeGemm{.form = form}.operands();
}

TEST(GemmCheck, AcceptsEveryForm) {
  const plan::GemmProblem problem = check_gemm(dense(), {});
  EXPECT_EQ(problem.form, Form::kNone);
  EXPECT_EQ(problem.m, 64);
  EXPECT_EQ(problem.n, 384);
  EXPECT_EQ(problem.k, 256);
  EXPECT_EQ(problem.num_groups, 1);
  EXPECT_EQ(problem.scale_a.row_stride, 1);
  EXPECT_EQ(problem.scale_a.col_stride, 64);
  EXPECT_EQ(problem.scale_b_block, plan::ScaleBBlock::k128x128);
  for (const Form form : kGroupedForms) {
    const plan::GemmProblem problem_of_form = check_gemm(grouped(form), {});
    EXPECT_EQ(problem_of_form.form, form);
    EXPECT_EQ(problem_of_form.num_groups, 3);
    EXPECT_EQ(problem_of_form.b.group_stride, 384 * 256);
    EXPECT_EQ(problem_of_form.a.group_stride, form == Form::kMasked ? 64 * 256 : 0);
  }
}

TEST(GemmCheck, CarriesTheOptions) {
  GemmOptions options;
  options.accumulate = true;
  options.batch_invariant = true;
  options.max_sms = 20;
  options.config = "tag";
  const plan::GemmProblem problem = check_gemm(FakeGemm{.out = DType::kFp32}.operands(), options);
  EXPECT_TRUE(problem.accumulate);
  EXPECT_TRUE(problem.batch_invariant);
  EXPECT_EQ(problem.max_sms, 20);
  EXPECT_EQ(problem.config, "tag");
  EXPECT_EQ(problem.out, DType::kFp32);
}

TEST(GemmCheck, RefusesAMissingTensor) {
  GemmOperands operands = dense();
  operands.a = {};
  expect_refused(operands, StartsWith("gemm: a is missing; it needs a tensor of shape [m, k]"));
  operands = dense();
  operands.scale_b = {};
  expect_refused(operands, StartsWith("gemm: scale_b is missing"));
  operands = grouped(Form::kMasked);
  operands.groups.index = {};
  expect_refused(operands,
                 StartsWith("grouped_gemm: rows is missing; it needs a tensor of shape [G]"));
}

TEST(GemmCheck, RefusesAWrongRank) {
  GemmOperands operands = dense();
  operands.a.rank = 3;
  operands.a.shape = {1, 64, 256};
  expect_refused(operands, StartsWith("gemm: a has 3 dimensions [1, 64, 256]; it needs 2: [m, k]"));
  operands = grouped(Form::kOffsets);
  operands.b.rank = 2;
  expect_refused(operands,
                 AllOf(StartsWith("grouped_gemm: b has 2 dimensions"), HasSubstr("[G, n, k]")));
  operands = dense();
  operands.d.rank = 9;
  expect_refused(operands, StartsWith("gemm: d has 9 dimensions; it needs 2: [m, n]"));
  operands.d.rank = -1;
  expect_refused(operands, StartsWith("gemm: d has -1 dimensions; it needs 2: [m, n]"));
}

TEST(GemmCheck, RefusesAWrongShape) {
  GemmOperands operands = dense();
  operands.b.shape[1] = 255;
  expect_refused(operands,
                 "gemm: b has shape [384, 255]; for k = 256 (from a) it needs [384, 256]");
  operands = dense();
  operands.scale_a.shape[1] = 3;
  expect_refused(operands,
                 "gemm: scale_a has shape [64, 3]; for m = 64 and k = 256 (one scale per 128 of k) "
                 "it needs [64, 2]");
  operands = dense();
  operands.d.shape = {65, 384};
  expect_refused(operands,
                 "gemm: d has shape [65, 384]; for m = 64 and n = 384 it needs [64, 384]");
}

TEST(GemmCheck, RefusesAWrongShapeOfScaleBAndNamesBothThatFit) {
  GemmOperands operands = dense();
  operands.scale_b.shape = {4, 2};
  expect_refused(
      operands,
      AllOf(StartsWith("gemm: scale_b has shape [4, 2]; for n = 384 and k = 256 it needs [3, 2]"),
            HasSubstr("or [384, 2]")));
  operands = grouped(Form::kOffsets);
  operands.scale_b.shape[0] = 2;
  expect_refused(operands, AllOf(StartsWith("grouped_gemm: scale_b has shape [2, 3, 2]"),
                                 HasSubstr("[3, 3, 2]"), HasSubstr("[3, 384, 2]")));
}

TEST(GemmCheck, RefusesAWrongNumberOfGroups) {
  GemmOperands operands = grouped(Form::kMasked);
  operands.a.shape[0] = 2;
  expect_refused(operands, AllOf(StartsWith("grouped_gemm: a has shape [2, 64, 256], 2 groups"),
                                 HasSubstr("3 groups")));
  operands = grouped(Form::kMasked);
  operands.d.shape[0] = 4;
  expect_refused(operands,
                 AllOf(HasSubstr("d has shape [4, 64, 384]"), HasSubstr("it needs [3, 64, 384]")));
}

TEST(GemmCheck, RefusesAWrongShapeOfTheGroupIndex) {
  const auto with_size = [](Form form, std::int64_t size) {
    GemmOperands operands = grouped(form);
    operands.groups.index.shape[0] = size;
    return operands;
  };
  expect_refused(with_size(Form::kOffsets, 3),
                 AllOf(HasSubstr("offsets has shape [3]"), HasSubstr("it needs [4]")));
  expect_refused(with_size(Form::kRowGroup, 63),
                 AllOf(HasSubstr("row_group has shape [63]"), HasSubstr("it needs [64]")));
  expect_refused(with_size(Form::kGroupEnd, 4),
                 AllOf(HasSubstr("group_end has shape [4]"), HasSubstr("it needs [3]")));
  expect_refused(with_size(Form::kMasked, 4),
                 AllOf(HasSubstr("rows has shape [4]"), HasSubstr("it needs [3]")));
}

TEST(GemmCheck, RefusesAWrongDtype) {
  GemmOperands operands = dense();
  operands.a.dtype = DType::kBf16;
  expect_refused(operands, "gemm: a has dtype bf16; it needs e4m3");
  operands = dense();
  operands.scale_a.dtype = DType::kFp64;
  expect_refused(operands, "gemm: scale_a has dtype fp64; it needs fp32");
  operands = dense();
  operands.b.dtype = DType::kInt32;
  expect_refused(operands, "gemm: b has dtype int32; it needs e4m3");
  operands = dense();
  operands.scale_b.dtype = DType::kBf16;
  expect_refused(operands, "gemm: scale_b has dtype bf16; it needs fp32");
  operands = dense();
  operands.d.dtype = DType::kFp16;
  expect_refused(operands, "gemm: d has dtype fp16; it needs bf16 or fp32");
  operands = dense();
  operands.a.dtype = static_cast<DType>(99);
  expect_refused(operands, "gemm: a has dtype unknown; it needs e4m3");
}

TEST(GemmCheck, RefusesAWrongDtypeOfTheGroupIndex) {
  EXPECT_TRUE(
      check_gemm(FakeGemm{.form = Form::kOffsets, .index_dtype = DType::kInt64}.operands(), {})
          .index_is_int64);
  EXPECT_FALSE(check_gemm(grouped(Form::kOffsets), {}).index_is_int64);
  expect_refused(FakeGemm{.form = Form::kOffsets, .index_dtype = DType::kFp32}.operands(),
                 "grouped_gemm: offsets has dtype fp32; it needs int32 or int64");
  for (const Form form : {Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    expect_refused(FakeGemm{.form = form, .index_dtype = DType::kInt64}.operands(),
                   HasSubstr("has dtype int64; it needs int32"));
  }
}

TEST(GemmCheck, RefusesTensorsOfSeveralDevices) {
  GemmOperands operands = FakeGemm{.device = {DeviceType::kCuda, 0}}.operands();
  operands.scale_b.device.index = 1;
  expect_refused(operands, StartsWith("gemm: scale_b is on cuda:1 and a on cuda:0; all tensors of "
                                      "a call must be on one device"));
  operands = dense();
  operands.d.device.type = DeviceType::kCuda;
  expect_refused(operands, StartsWith("gemm: d is on cuda:0 and a on cpu"));
  operands = grouped(Form::kRowGroup);
  operands.groups.index.device = {DeviceType::kCuda, 0};
  expect_refused(operands, StartsWith("grouped_gemm: row_group is on cuda:0 and a on cpu"));
}

TEST(GemmCheck, RefusesABackendThatDoesNotSuitTheDevice) {
  const GemmOperands on_gpu = FakeGemm{.device = {DeviceType::kCuda, 0}}.operands();
  EXPECT_NO_THROW(check_gemm(on_gpu, {}));
  EXPECT_NO_THROW(check_gemm(on_gpu, {.backend = Backend::kCuda}));
  const auto code = ErrorCode::kInvalidArgument;
  expect_refused(dense(), StartsWith("gemm: a is on the CPU and the backend is cuda"), code,
                 {.backend = Backend::kCuda});
  expect_refused(on_gpu, StartsWith("gemm: a is on cuda:0 and the backend is cpu"), code,
                 {.backend = Backend::kCpu});
  expect_refused(on_gpu, StartsWith("gemm: a is on cuda:0 and the backend is reference"), code,
                 {.backend = Backend::kReference});
  expect_refused(dense(), StartsWith("gemm: the backend is 7"), code,
                 {.backend = static_cast<Backend>(7)});
  GemmOperands operands = dense();
  for (TensorView* view :
       {&operands.a, &operands.scale_a, &operands.b, &operands.scale_b, &operands.d}) {
    view->device.type = static_cast<DeviceType>(5);
  }
  expect_refused(
      operands,
      StartsWith("gemm: a has unknown device type 5; it needs a CPU (1) or CUDA (2) device"));
  expect_refused(FakeGemm{.device = {DeviceType::kCuda, -1}}.operands(),
                 StartsWith("gemm: a is on cuda:-1; "));
}

TEST(GemmCheck, RefusesNullPointersUnlessThereIsNothingToPointTo) {
  GemmOperands operands = dense();
  operands.b.data = nullptr;
  expect_refused(operands, StartsWith("gemm: b has a null pointer and shape [384, 256]"));
  operands = grouped(Form::kGroupEnd);
  operands.groups.index.data = nullptr;
  expect_refused(operands, StartsWith("grouped_gemm: group_end has a null pointer"));

  operands = FakeGemm{.form = Form::kRowGroup, .m = 0}.operands();
  for (TensorView* view : {&operands.a, &operands.scale_a, &operands.d, &operands.groups.index})
    view->data = nullptr;
  EXPECT_EQ(check_gemm(operands, {}).m, 0);
}

TEST(GemmCheck, RefusesAMisalignedBase) {
  for (TensorView GemmOperands::*operand : {&GemmOperands::a, &GemmOperands::b, &GemmOperands::d}) {
    GemmOperands operands = dense();
    (operands.*operand).data = moved((operands.*operand).data, 8);
    expect_refused(operands, HasSubstr("its address must be a multiple of 16 bytes"));
  }
  GemmOperands operands = dense();
  EXPECT_TRUE(check_gemm(operands, {}).scale_a_aligned);
  operands.scale_a.data = moved(operands.scale_a.data, 4);
  EXPECT_FALSE(check_gemm(operands, {}).scale_a_aligned) << "scales may start at any float";
  operands.scale_a.data = moved(operands.scale_a.data, 2);
  expect_refused(operands,
                 AllOf(HasSubstr("scale_a starts at 0x"), HasSubstr("a multiple of 4 bytes")));
  operands = FakeGemm{.form = Form::kOffsets, .index_dtype = DType::kInt64}.operands();
  operands.groups.index.data = moved(operands.groups.index.data, 4);
  expect_refused(operands,
                 AllOf(HasSubstr("offsets starts at 0x"), HasSubstr("a multiple of 8 bytes")));
}

TEST(GemmCheck, RefusesAPitchThatIsNotAMultipleOf16Bytes) {
  GemmOperands operands = FakeGemm{.k = 100}.operands();
  EXPECT_EQ(check_gemm(operands, {}).a.row_stride, 112);
  operands.a.stride[0] = 100;
  expect_refused(
      operands,
      StartsWith("gemm: a has rows 100 elements of e4m3 (100 bytes) apart; the pitch must be a "
                 "multiple of 16 bytes: pad each row to 112 elements"));
  operands = dense();
  operands.d.stride[0] = 388;
  expect_refused(operands, HasSubstr("d has rows 388 elements of bf16 (776 bytes) apart"));
  operands = grouped(Form::kOffsets);
  operands.b.stride[0] += 8;
  expect_refused(operands, HasSubstr("b has groups 98312 elements of e4m3 (98312 bytes) apart"));
}

TEST(GemmCheck, RefusesAStrideAlongTheLastDimension) {
  GemmOperands operands = dense();
  operands.a.shape = {64, 256};
  operands.a.stride = {1, 64};
  expect_refused(
      operands,
      StartsWith("gemm: a has strides [1, 64]; its last dimension must be contiguous (stride 1)"));
  operands = grouped(Form::kGroupEnd);
  operands.groups.index.stride[0] = 2;
  expect_refused(operands,
                 StartsWith("grouped_gemm: group_end has stride 2; it needs contiguous entries"));
}

TEST(GemmCheck, TakesScalesInEitherOrderButNoOther) {
  EXPECT_EQ(check_gemm(FakeGemm{.scale_a_m_contiguous = false}.operands(), {}).scale_a.col_stride,
            1);
  GemmOperands operands = dense();
  operands.scale_a.stride = {2, 128};
  expect_refused(
      operands,
      StartsWith(
          "gemm: scale_a has strides [2, 128]; one of its last two dimensions must be contiguous"));
}

TEST(GemmCheck, RefusesZeroAndNegativeStrides) {
  GemmOperands operands = dense();
  operands.b.stride[0] = 0;
  expect_refused(operands, AllOf(StartsWith("gemm: b has strides [0, 1]; dimension 0 steps by 0"),
                                 HasSubstr("in one place")));
  operands.b.stride[0] = -256;
  expect_refused(operands,
                 AllOf(StartsWith("gemm: b has strides [-256, 1]"), HasSubstr("backwards")));
  operands = dense();
  operands.scale_a.stride[1] = 0;
  expect_refused(operands, StartsWith("gemm: scale_a has strides [1, 0]"));
  operands = grouped(Form::kOffsets);
  operands.b.stride[0] = 0;
  expect_refused(operands, StartsWith("grouped_gemm: b has strides [0, 256, 1]"));
}

TEST(GemmCheck, RefusesRowsThatOverlapEachOther) {
  GemmOperands operands = dense();
  operands.d.stride[0] = 376;
  expect_refused(operands, AllOf(StartsWith("gemm: d has shape [64, 384] and strides [376, 1]"),
                                 HasSubstr("share memory"), HasSubstr("a stride of 384 or more")));
  operands = grouped(Form::kMasked);
  operands.d.stride[0] = 63 * 384;
  expect_refused(operands, AllOf(StartsWith("grouped_gemm: d has shape [3, 64, 384]"),
                                 HasSubstr("share memory")));
}

TEST(GemmCheck, TakesGroupsThatInterleave) {
  GemmOperands operands = grouped(Form::kMasked);
  operands.d.stride = {384, 3 * 384, 1};
  EXPECT_EQ(check_gemm(operands, {}).d.group_stride, 384);
}

TEST(GemmCheck, RefusesOverlapOfDWithEveryInput) {
  for (TensorView GemmOperands::*input :
       {&GemmOperands::a, &GemmOperands::scale_a, &GemmOperands::b, &GemmOperands::scale_b}) {
    GemmOperands operands = dense();
    operands.d.data = (operands.*input).data;
    expect_refused(operands, AllOf(StartsWith("gemm: d covers 0x"),
                                   HasSubstr("must not overlap another tensor")));
  }
  GemmOperands operands = grouped(Form::kRowGroup);
  operands.d.data = moved(operands.groups.index.data, -64);
  expect_refused(operands, HasSubstr("and row_group covers 0x"));
}

TEST(GemmCheck, SeesOverlapOfOneByteAndNoneWithoutIt) {
  const std::int64_t d_bytes = 64 * 384 * 2;
  GemmOperands operands = dense();
  operands.a.data = address(0x10000000);               // far from all others
  operands.d.data = moved(operands.a.data, 64 * 256);  // right behind a
  EXPECT_NO_THROW(check_gemm(operands, {}));
  operands.d.data = moved(operands.a.data, 64 * 256 - 16);
  expect_refused(operands, HasSubstr("and a covers"));
  operands.d.data = moved(operands.a.data, -d_bytes);  // right before a
  EXPECT_NO_THROW(check_gemm(operands, {}));
  operands.d.data = moved(operands.a.data, -d_bytes + 16);
  expect_refused(operands, HasSubstr("and a covers"));
}

TEST(GemmCheck, TakesColumnSlicesOfOneBuffer) {
  // Rows of 1024 bytes: 256 of a, then 768 of d.
  GemmOperands operands = dense();
  operands.a.stride[0] = 1024;
  operands.d.data = moved(operands.a.data, 256);
  operands.d.stride[0] = 512;
  operands.scale_a.data = address(0x1000);
  operands.b.data = address(0x100000);
  operands.scale_b.data = address(0x10000);
  EXPECT_NO_THROW(check_gemm(operands, {}));
  operands.d.data = moved(operands.a.data, 240);
  expect_refused(operands, HasSubstr("and a covers"));
  operands.d.data = moved(operands.a.data, 272);  // its rows end in the next row of a
  expect_refused(operands, HasSubstr("and a covers"));
  operands.d.data = moved(operands.a.data, -768);  // d first, then a
  EXPECT_NO_THROW(check_gemm(operands, {}));
}

TEST(GemmCheck, RefusesExtentsOutOfRange) {
  GemmOperands operands = dense();
  operands.a.shape[0] = std::int64_t{1} << 31;
  expect_refused(operands, AllOf(StartsWith("gemm: a has shape [2147483648, 256]"),
                                 HasSubstr("2^31 - 1 = 2147483647")));
  operands.a.shape[0] = -1;
  expect_refused(operands, StartsWith("gemm: a has shape [-1, 256]; every extent must be 0 to"));
}

TEST(GemmCheck, TakesTensorsAbove2To31Elements) {
  const FakeGemm large{.m = 1 << 20, .n = 1 << 16, .k = 1 << 15};
  EXPECT_EQ(check_gemm(large.operands(), {}).m, 1 << 20);
}

TEST(GemmCheck, RefusesProductsThatOverflow) {
  GemmOperands operands = dense();
  operands.a.stride[0] = std::numeric_limits<std::int64_t>::max() / 16 * 16;
  expect_refused(operands, AllOf(StartsWith("gemm: a has shape [64, 256]"),
                                 HasSubstr("spans more than 2^62 bytes")));
  operands.a.stride[0] = std::int64_t{1} << 60;
  expect_refused(operands, HasSubstr("spans more than 2^62 bytes"));
  operands = dense();
  operands.a.data = address(std::numeric_limits<std::uintptr_t>::max() - 15);
  expect_refused(operands, HasSubstr("past the end of the address space"));
}

TEST(GemmCheck, RefusesAnEmptyNAndNoGroups) {
  GemmOperands operands = FakeGemm{.n = 0}.operands();
  expect_refused(operands, StartsWith("gemm: b has shape [0, 256]; n must be 1 or more"));
  operands = grouped(Form::kOffsets);
  operands.b.shape[0] = 0;
  expect_refused(operands,
                 StartsWith("grouped_gemm: b has shape [0, 384, 256]; it needs one group or more"));
}

TEST(GemmCheck, TakesNoRowsAndNoK) {
  for (const Form form :
       {Form::kNone, Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    for (const bool m_contiguous : {false, true}) {
      EXPECT_EQ(
          check_gemm(
              FakeGemm{.form = form, .m = 0, .scale_a_m_contiguous = m_contiguous}.operands(), {})
              .m,
          0);
      const plan::GemmProblem problem = check_gemm(
          FakeGemm{.form = form, .k = 0, .scale_a_m_contiguous = m_contiguous}.operands(), {});
      EXPECT_EQ(problem.k, 0);
      EXPECT_EQ(problem.k_blocks(), 0);
    }
  }
  // As other libraries hand over an empty tensor: null, and strides that mean nothing.
  GemmOperands operands = FakeGemm{.k = 0}.operands();
  for (TensorView* view : {&operands.a, &operands.scale_a, &operands.b, &operands.scale_b}) {
    view->data = nullptr;
    view->stride = {0, 1};
  }
  EXPECT_EQ(check_gemm(operands, {}).a.row_stride, 0);
}

TEST(GemmCheck, MendsStridesWithoutMeaning) {
  GemmOperands operands = FakeGemm{.m = 1, .k = 100, .scale_a_m_contiguous = false}.operands();
  operands.a.stride[0] = 1;
  operands.d.stride[0] = 0;
  operands.scale_a.stride[0] = -5;
  const plan::GemmProblem problem = check_gemm(operands, {});
  EXPECT_EQ(problem.a.row_stride, 112);
  EXPECT_EQ(problem.d.row_stride, 384);
  EXPECT_EQ(problem.scale_a.col_stride, 4);
  EXPECT_EQ(problem.scale_a.row_stride, 1);
}

TEST(GemmCheck, RefusesAnUnknownForm) {
  GemmOperands operands = grouped(Form::kOffsets);
  operands.groups.form = static_cast<Form>(9);
  expect_refused(operands, StartsWith("grouped_gemm: groups.form is 9"));
  operands = dense();
  operands.groups.index = TensorView::vector(address(0x100), DType::kInt32, 3);
  expect_refused(operands, StartsWith("gemm: groups.index is given and groups.form is none"));
}

TEST(GemmCheck, RefusesAlignmentsOutsideTheList) {
  for (const Form form : {Form::kRowGroup, Form::kGroupEnd}) {
    GemmOperands operands = grouped(form);
    for (const std::int64_t alignment : {16, 32, 64, 128, 256}) {
      operands.groups.alignment = alignment;
      EXPECT_EQ(check_gemm(operands, {}).alignment, alignment);
    }
    for (const std::int64_t alignment : {-128, 0, 1, 8, 48, 112, 512}) {
      operands.groups.alignment = alignment;
      expect_refused(operands, HasSubstr("it must be 16, 32, 64, 128 or 256 rows"));
    }
  }
  GemmOperands operands = grouped(Form::kOffsets);
  operands.groups.alignment = 7;
  EXPECT_NO_THROW(check_gemm(operands, {})) << "offsets ask for no alignment";
}

TEST(GemmCheck, RefusesANegativeHint) {
  GemmOperands operands = grouped(Form::kMasked);
  operands.groups.expected_m = -1;
  expect_refused(operands, StartsWith("grouped_gemm: groups.expected_m is -1"));
}

TEST(GemmCheck, AccumulatesOnlyInFp32AndDense) {
  const GemmOptions options{.accumulate = true};
  EXPECT_NO_THROW(check_gemm(FakeGemm{.out = DType::kFp32}.operands(), options));
  expect_refused(dense(), StartsWith("gemm: accumulate is set and d is bf16; only fp32"),
                 ErrorCode::kInvalidArgument, options);
  expect_refused(grouped(Form::kOffsets),
                 StartsWith("grouped_gemm: accumulate is set; only the dense product"),
                 ErrorCode::kUnsupported, options);
}

TEST(GemmCheck, WritesGroupedProductsAsBf16) {
  expect_refused(FakeGemm{.form = Form::kMasked, .out = DType::kFp32}.operands(),
                 StartsWith("grouped_gemm: d has dtype fp32; grouped products are written as bf16"),
                 ErrorCode::kUnsupported);
}

TEST(GemmCheck, PadsWithZerosOnlyWhereRowsAreMarked) {
  const GemmOptions options{.zero_padding = true};
  EXPECT_TRUE(check_gemm(grouped(Form::kRowGroup), options).zero_padding);
  for (const Form form : {Form::kNone, Form::kOffsets, Form::kGroupEnd, Form::kMasked}) {
    expect_refused(grouped(form), HasSubstr("zero_padding is set; only row_group"),
                   ErrorCode::kInvalidArgument, options);
  }
}

TEST(GemmCheck, RefusesANegativeSmBudget) {
  expect_refused(dense(), StartsWith("gemm: max_sms is -1"), ErrorCode::kInvalidArgument,
                 {.max_sms = -1});
}

}  // namespace
}  // namespace fathom
