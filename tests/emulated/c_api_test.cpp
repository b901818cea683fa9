// The C interface end to end without a GPU: device memory, a cast and products, dense and grouped,
// in the emulator.
#include <fathom/c_api.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "emulated/emulated_gemm.hpp"

namespace fathom::testing {
namespace {

constexpr std::int64_t kM = 20, kN = 24, kK = 256;

fathom_tensor on_device(fathom_tensor tensor) {
  tensor.device_type = FATHOM_CUDA;
  return tensor;
}

template <typename T>
cuda::Buffer upload(const cuda::Device& device, const std::vector<T>& values) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
  cuda::Buffer buffer(device, bytes);
  buffer.upload(values.data(), bytes);
  return buffer;
}

class EmulatedC : public EmulatedCTest {};

TEST_F(EmulatedC, CastsAndMultiplies) {
  // 0x4000 is 2 in bf16: scale 2/448, code 448. B is all ones (0x38) with scale 1.
  const cuda::Buffer x = upload(device(), std::vector<std::uint16_t>(kM * kK, 0x4000));
  const cuda::Buffer a = upload(device(), std::vector<std::uint8_t>(kM * kK));
  const cuda::Buffer scale_a = upload(device(), std::vector<float>(kM * 2));
  const cuda::Buffer b = upload(device(), std::vector<std::uint8_t>(kN * kK, 0x38));
  const cuda::Buffer scale_b = upload(device(), std::vector<float>(2, 1.0f));
  const cuda::Buffer d = upload(device(), std::vector<std::uint16_t>(kM * kN));

  fathom_quantize_args cast = {};
  cast.struct_size = sizeof cast;
  cast.x = on_device(fathom_matrix(x.data(), FATHOM_BF16, kM, kK, 0));
  cast.q = on_device(fathom_matrix(a.data(), FATHOM_E4M3, kM, kK, 0));
  cast.scale = on_device(fathom_matrix(scale_a.data(), FATHOM_FP32, kM, 2, 0));
  ASSERT_EQ(fathom_quantize(context_, &cast, nullptr), FATHOM_OK) << fathom_last_error_message();

  fathom_gemm_args args = {};
  args.struct_size = sizeof args;
  args.a = cast.q;
  args.scale_a = cast.scale;
  args.b = on_device(fathom_matrix(b.data(), FATHOM_E4M3, kN, kK, 0));
  args.scale_b = on_device(fathom_matrix(scale_b.data(), FATHOM_FP32, 1, 2, 0));
  args.d = on_device(fathom_matrix(d.data(), FATHOM_BF16, kM, kN, 0));
  ASSERT_EQ(fathom_gemm(context_, &args, nullptr), FATHOM_OK) << fathom_last_error_message();

  std::vector<std::uint16_t> got(kM * kN);
  d.download(got.data(), d.bytes());
  for (const std::uint16_t value : got) ASSERT_EQ(value, 0x4400);  // 2 * 256 in bf16
}

constexpr std::int64_t kGroups = 3;
constexpr std::uint16_t kUntouched = 0x7fff;  // a NaN in bf16

/// Group g has a matrix of ones times g + 1 and A is all ones, so that D says whose rows it holds.
struct GroupedCall {
  const char* name;
  std::int32_t form;
  std::int64_t rows;                             ///< of A and D, kMasked: of each group
  std::vector<std::vector<std::int32_t>> index;  ///< of one launch after the other
  std::vector<std::vector<int>> owners;          ///< the group of each row of D; -1 = nobody's
};

std::vector<std::uint16_t> rows_of(const std::vector<int>& owners) {
  const std::uint16_t product[kGroups] = {0x4380, 0x4400, 0x4440};  // 256, 512, 768 in bf16
  std::vector<std::uint16_t> d;
  for (const int owner : owners) d.insert(d.end(), kN, owner < 0 ? kUntouched : product[owner]);
  return d;
}

class EmulatedCGrouped : public EmulatedC, public ::testing::WithParamInterface<GroupedCall> {};

TEST_P(EmulatedCGrouped, FollowsTheIndexInDeviceMemory) {
  const GroupedCall& call = GetParam();
  const bool masked = call.form == FATHOM_GROUPS_MASKED;
  const std::int64_t rows = masked ? kGroups * call.rows : call.rows;
  const auto elements = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  std::vector<std::uint8_t> codes;
  for (const int code : {0x38, 0x40, 0x44})  // 1, 2, 3
    codes.insert(codes.end(), kN * kK, static_cast<std::uint8_t>(code));
  const cuda::Buffer a = upload(device(), std::vector<std::uint8_t>(elements(rows * kK), 0x38));
  const cuda::Buffer scale_a = upload(device(), std::vector<float>(elements(rows * 2), 1.0f));
  const cuda::Buffer b = upload(device(), codes);
  const cuda::Buffer scale_b = upload(device(), std::vector<float>(kGroups * 2, 1.0f));
  cuda::Buffer index = upload(device(), call.index[0]);
  cuda::Buffer d = upload(device(), std::vector<std::uint16_t>(elements(rows * kN)));

  const auto matrix = [&](const cuda::Buffer& buffer, std::int32_t dtype, std::int64_t cols) {
    return on_device(masked ? fathom_batch(buffer.data(), dtype, kGroups, call.rows, cols, 0, 0)
                            : fathom_matrix(buffer.data(), dtype, rows, cols, 0));
  };
  fathom_gemm_args args = {};
  args.struct_size = sizeof args;
  args.a = matrix(a, FATHOM_E4M3, kK);
  args.scale_a = matrix(scale_a, FATHOM_FP32, 2);
  args.b = on_device(fathom_batch(b.data(), FATHOM_E4M3, kGroups, kN, kK, 0, 0));
  args.scale_b = on_device(fathom_batch(scale_b.data(), FATHOM_FP32, kGroups, 1, 2, 0, 0));
  args.d = matrix(d, FATHOM_BF16, kN);
  args.group_index = on_device(
      fathom_vector(index.data(), FATHOM_INT32, static_cast<std::int64_t>(call.index[0].size())));
  args.group_form = call.form;
  args.group_alignment = 16;
  fathom_gemm_plan* plan = nullptr;
  ASSERT_EQ(fathom_gemm_plan_create(context_, &args, &plan), FATHOM_OK)
      << fathom_last_error_message();
  for (std::size_t launch = 0; launch < call.index.size(); ++launch) {
    SCOPED_TRACE(launch);
    index.upload(call.index[launch].data(), index.bytes());
    std::vector<std::uint16_t> got(elements(rows * kN), kUntouched);
    d.upload(got.data(), d.bytes());
    EXPECT_EQ(fathom_gemm_plan_launch(plan, nullptr), FATHOM_OK) << fathom_last_error_message();
    d.download(got.data(), d.bytes());
    EXPECT_EQ(got, rows_of(call.owners[launch]));
  }
  fathom_gemm_plan_destroy(plan);
}

/// Rows in runs: {{0, 3}, {-1, 13}} = three of group 0, then 13 of nobody.
std::vector<int> runs(const std::vector<std::pair<int, std::size_t>>& lengths) {
  std::vector<int> rows;
  for (const auto& [owner, length] : lengths) rows.insert(rows.end(), length, owner);
  return rows;
}

std::vector<GroupedCall> calls() {
  return {{.name = "Offsets",
           .form = FATHOM_GROUPS_OFFSETS,
           .rows = 8,
           .index = {{0, 3, 3, 8}, {0, 0, 6, 7}},
           .owners = {{0, 0, 0, 2, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 2, -1}}},
          {.name = "RowGroup",
           .form = FATHOM_GROUPS_ROW_GROUP,
           .rows = 48,
           .index = {runs({{1, 16}, {-1, 16}, {2, 16}}), runs({{0, 32}, {1, 16}})},
           .owners = {runs({{1, 16}, {-1, 16}, {2, 16}}), runs({{0, 32}, {1, 16}})}},
          {.name = "GroupEnd",
           .form = FATHOM_GROUPS_GROUP_END,
           .rows = 40,
           .index = {{3, 32, 40}, {32, 32, 40}},
           .owners = {runs({{0, 3}, {-1, 13}, {1, 16}, {2, 8}}), runs({{0, 32}, {2, 8}})}},
          {.name = "Masked",
           .form = FATHOM_GROUPS_MASKED,
           .rows = 2,
           .index = {{2, 0, 1}, {0, 2, 2}},
           .owners = {{0, 0, -1, -1, 2, -1}, {-1, -1, 1, 1, 2, 2}}}};
}

INSTANTIATE_TEST_SUITE_P(Forms, EmulatedCGrouped, ::testing::ValuesIn(calls()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(EmulatedC, RefusesACastThatIsNotBuiltIn) {
  const cuda::Buffer x = upload(device(), std::vector<std::uint16_t>(kM * kK));
  const cuda::Buffer a = upload(device(), std::vector<std::uint8_t>(kM * kK));
  const cuda::Buffer scale = upload(device(), std::vector<float>(kM * 2));
  fathom_quantize_args cast = {};
  cast.struct_size = sizeof cast;
  cast.x = on_device(fathom_matrix(x.data(), FATHOM_FP16, kM, kK, 0));
  cast.q = on_device(fathom_matrix(a.data(), FATHOM_E4M3, kM, kK, 0));
  cast.scale = on_device(fathom_matrix(scale.data(), FATHOM_FP32, kM, 2, 0));
  EXPECT_EQ(fathom_quantize(context_, &cast, nullptr), FATHOM_UNSUPPORTED);
  EXPECT_NE(std::string(fathom_last_error_message()).find("built into it"), std::string::npos);
}

}  // namespace
}  // namespace fathom::testing
