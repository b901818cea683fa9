// What check_gemm must do for whole families of calls: legal layouts pass, garbage neither crashes
// nor passes, and what passes has no overlap, by brute force.
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <unordered_set>
#include <vector>

#include "api/gemm_check.hpp"
#include "reference/problem_data.hpp"
#include "support/fake_operands.hpp"
#include "support/random.hpp"

namespace fathom {
namespace {

using api::check_gemm;
using test::FakeGemm;
using Form = Groups::Form;

// Whatever the sizes, pitches and orders: what the contract allows passes, with the layout that was
// given.
TEST(GemmCheckProperties, RandomLegalLayoutsPass) {
  constexpr std::uint64_t kSeed = 20250225;
  support::Random random(kSeed);
  const auto size = [&](std::int64_t high) {
    return random.integer(0, 3) == 0 ? random.integer(1, 4) : random.integer(1, high);
  };
  for (int i = 0; i < 5000; ++i) {
    FakeGemm fake;
    fake.form = static_cast<Form>(random.integer(0, 4));
    fake.m = random.integer(0, 9) == 0 ? 0 : size(5000);
    fake.n = size(5000);
    fake.k = random.integer(0, 9) == 0 ? 0 : size(5000);
    fake.num_groups = size(40);
    if (fake.form == Form::kNone && random.integer(0, 1) == 1) fake.out = DType::kFp32;
    if (fake.form == Form::kOffsets && random.integer(0, 1) == 1) fake.index_dtype = DType::kInt64;
    fake.scale_a_m_contiguous = random.integer(0, 1) == 1;
    fake.scale_b_1x128 = random.integer(0, 1) == 1;
    fake.extra_pitch_bytes = 16 * random.integer(0, 5);
    const GemmOperands operands = fake.operands();
    SCOPED_TRACE(testing::Message()
                 << "seed " << kSeed << " case " << i << " form " << static_cast<int>(fake.form)
                 << " m " << fake.m << " n " << fake.n << " k " << fake.k << " groups "
                 << fake.num_groups << " pitch +" << fake.extra_pitch_bytes);
    plan::GemmProblem problem;
    ASSERT_NO_THROW(problem = check_gemm(operands, {}));
    EXPECT_EQ(problem.m, fake.m);
    EXPECT_EQ(problem.n, fake.n);
    EXPECT_EQ(problem.k, fake.k);
    EXPECT_EQ(problem.a.row_stride % 16, 0);
    EXPECT_EQ(problem.b.row_stride % 16, 0);
    EXPECT_EQ(problem.d.row_stride * size_of(fake.out) % 16, 0);
    if (fake.k > 0 && fake.n > 1) {
      EXPECT_EQ(problem.b.row_stride, (fake.k + 15) / 16 * 16 + fake.extra_pitch_bytes);
    }
    if (fake.m > 1 && fake.k > 128) {
      EXPECT_EQ(fake.scale_a_m_contiguous ? problem.scale_a.row_stride : problem.scale_a.col_stride,
                1);
    }
  }
}

// The tests' own generator fills the problem by its own arithmetic: both must agree.
TEST(GemmCheckProperties, AgreesWithTheProblemGenerator) {
  for (const Form form :
       {Form::kNone, Form::kOffsets, Form::kRowGroup, Form::kGroupEnd, Form::kMasked}) {
    reference::ProblemSpec spec;
    spec.form = form;
    spec.m = 77;
    spec.n = 130;
    spec.k = 300;
    spec.num_groups = form == Form::kNone ? 1 : 3;
    spec.extra_pitch = 16;
    const reference::ProblemData data(spec);
    const plan::GemmProblem& wanted = data.problem();
    const plan::GemmProblem got = check_gemm(data.operands(), data.options());
    const auto same = [](const plan::MatrixLayout& left, const plan::MatrixLayout& right) {
      return left.rows == right.rows && left.cols == right.cols &&
             left.row_stride == right.row_stride && left.col_stride == right.col_stride &&
             left.group_stride == right.group_stride;
    };
    SCOPED_TRACE(static_cast<int>(form));
    EXPECT_EQ(got.m, wanted.m);
    EXPECT_EQ(got.num_groups, wanted.num_groups);
    EXPECT_TRUE(same(got.a, wanted.a));
    EXPECT_TRUE(same(got.scale_a, wanted.scale_a));
    EXPECT_TRUE(same(got.b, wanted.b));
    EXPECT_TRUE(same(got.scale_b, wanted.scale_b));
    EXPECT_TRUE(same(got.d, wanted.d));
    EXPECT_EQ(got.scale_b_block, wanted.scale_b_block);
    EXPECT_EQ(got.out, wanted.out);
  }
}

bool passes(const GemmOperands& operands) {
  try {
    check_gemm(operands, {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Calls `visit` with the address of each element.
template <typename Visit>
void for_each_element(const TensorView& view, Visit&& visit) {
  const auto base = reinterpret_cast<std::uintptr_t>(view.data);
  std::array<std::int64_t, 3> shape{1, 1, 1};
  std::array<std::int64_t, 3> stride{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(view.rank); ++i) {
    shape[i] = view.shape[i];
    stride[i] = view.stride[i];
  }
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    for (std::int64_t j = 0; j < shape[1]; ++j) {
      for (std::int64_t l = 0; l < shape[2]; ++l) {
        visit(base + static_cast<std::uintptr_t>((i * stride[0] + j * stride[1] + l * stride[2]) *
                                                 size_of(view.dtype)));
      }
    }
  }
}

/// Whether two elements of d share a byte, or an element of d and one of an input.
bool overlaps(const GemmOperands& operands) {
  std::unordered_set<std::uintptr_t> written;
  bool shared = false;
  const auto each_byte = [](std::uintptr_t address, std::int64_t size, auto&& visit) {
    for (std::int64_t i = 0; i < size; ++i) visit(address + static_cast<std::uintptr_t>(i));
  };
  for_each_element(operands.d, [&](std::uintptr_t address) {
    each_byte(address, size_of(operands.d.dtype),
              [&](std::uintptr_t byte) { shared |= !written.insert(byte).second; });
  });
  for (const TensorView* input :
       {&operands.a, &operands.scale_a, &operands.b, &operands.scale_b, &operands.groups.index}) {
    if (!*input) continue;
    for_each_element(*input, [&](std::uintptr_t address) {
      each_byte(address, size_of(input->dtype),
                [&](std::uintptr_t byte) { shared |= written.contains(byte); });
    });
  }
  return shared;
}

// Small problems in an arena so small that d often meets an input, or only just misses it.
TEST(GemmCheckProperties, WhatPassesHasNoOverlap) {
  constexpr std::uint64_t kSeed = 77;
  support::Random random(kSeed);
  int passed = 0;
  int overlapping = 0;
  for (int i = 0; i < 1500; ++i) {
    FakeGemm fake;
    fake.form = static_cast<Form>(random.integer(0, 4));
    fake.m = random.integer(1, 6);
    fake.n = random.integer(1, 20);
    fake.k = random.integer(1, 40);
    fake.num_groups = random.integer(1, 3);
    fake.scale_a_m_contiguous = random.integer(0, 1) == 1;
    GemmOperands operands = fake.operands();
    const auto within = [&](std::int64_t bytes) {
      return reinterpret_cast<void*>(
          0x10000 + static_cast<std::uintptr_t>(16 * random.integer(0, bytes / 16)));
    };
    for (TensorView* view : {&operands.a, &operands.b, &operands.d}) {
      view->data = within(1024);
      const std::int64_t elements = 128 / size_of(view->dtype);
      if (random.integer(0, 1) == 1)
        view->stride[static_cast<std::size_t>(view->rank) - 2] = elements;
      if (view->rank == 3) view->stride[0] = elements / 2 * random.integer(1, 8);
    }
    operands.scale_a.data = within(2048);
    operands.scale_b.data = within(2048);
    const bool accepted = passes(operands);
    const bool shared = overlaps(operands);
    ASSERT_FALSE(accepted && shared) << "seed " << kSeed << " case " << i;
    passed += accepted ? 1 : 0;
    overlapping += shared ? 1 : 0;
  }
  EXPECT_GT(passed, 100) << "the arena is too small to show anything";
  EXPECT_GT(overlapping, 100) << "the arena is too large to show anything";
}

// Shapes, strides and pointers from the worst a caller can hand over. Sanitizers watch the
// arithmetic.
TEST(GemmCheckProperties, GarbageIsRefusedWithoutOverflow) {
  constexpr std::uint64_t kSeed = 4242;
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> values = {kMin,
                                            kMin + 1,
                                            -(std::int64_t{1} << 62),
                                            -16,
                                            -1,
                                            0,
                                            1,
                                            2,
                                            15,
                                            16,
                                            128,
                                            (std::int64_t{1} << 31) - 1,
                                            std::int64_t{1} << 31,
                                            std::int64_t{1} << 40,
                                            std::int64_t{1} << 62,
                                            kMax - 15,
                                            kMax};
  support::Random random(kSeed);
  const auto any = [&] {
    return values[static_cast<std::size_t>(
        random.integer(0, static_cast<std::int64_t>(values.size()) - 1))];
  };
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    FakeGemm fake;
    fake.form = static_cast<Form>(random.integer(0, 4));
    GemmOperands operands = fake.operands();
    TensorView* views[] = {&operands.a,       &operands.scale_a, &operands.b,
                           &operands.scale_b, &operands.d,       &operands.groups.index};
    for (std::int64_t mutation = random.integer(1, 3); mutation > 0; --mutation) {
      TensorView& view = *views[random.integer(0, 5)];
      const auto dim = static_cast<std::size_t>(random.integer(0, 3));
      switch (random.integer(0, 4)) {
        case 0:
          view.shape[dim] = any();
          break;
        case 1:
          view.stride[dim] = any();
          break;
        case 2:
          view.data = reinterpret_cast<void*>(any());
          break;
        case 3:
          view.rank = static_cast<std::int32_t>(random.integer(-2, 6));
          break;
        default:
          view.dtype = static_cast<DType>(random.integer(-1, 9));
          break;
      }
    }
    if (!passes(operands)) ++refused;
  }
  EXPECT_GT(refused, 10000);
  EXPECT_LT(refused, 20000) << "some mutations change nothing that counts";
}

}  // namespace
}  // namespace fathom
