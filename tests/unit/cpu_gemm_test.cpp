// The CPU backend against the reference: every layout, at random sizes, with poisoned padding and
// canaries.
#include "cpu/gemm.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cpu/blas.hpp"
#include "reference/gemm.hpp"
#include "reference/problem_data.hpp"
#include "reference/tolerance.hpp"
#include "support/fp8.hpp"
#include "support/random.hpp"
#include "support/shared_library.hpp"

namespace fathom::cpu {
namespace {

using reference::DataKind;
using reference::ProblemData;
using reference::ProblemSpec;
using ::testing::HasSubstr;
using Form = Groups::Form;

constexpr Form kForms[] = {Form::kNone, Form::kOffsets, Form::kRowGroup, Form::kGroupEnd,
                           Form::kMasked};

Blas& blas() {
  static Blas instance;
  return instance;
}

std::string describe(const ProblemSpec& spec) {
  return fmt::format(
      "form {}, m {}, n {}, k {}, G {}, alignment {}, scale_b {}, out {}, data {}, seed {}",
      static_cast<int>(spec.form), spec.m, spec.n, spec.k, spec.num_groups, spec.alignment,
      static_cast<int>(spec.scale_b_block), static_cast<int>(spec.out), static_cast<int>(spec.data),
      spec.seed);
}

void run(ProblemData& data, int threads = 2) {
  gemm(data.problem(), plan_gemm(data.problem(), threads), data.operands(), blas());
}

std::vector<std::byte> d_bytes(ProblemData& data) {
  const auto& memory = data.d_memory();
  return {memory.data(), memory.data() + memory.bytes()};
}

/// Computes and compares with the reference; data of the exact kind must match bit for bit.
void check(ProblemData& data, int threads = 2) {
  const std::string what = describe(data.spec());
  const std::size_t size = static_cast<std::size_t>(data.d_rows() * data.problem().n);
  std::vector<double> exact(size), magnitude(size);
  reference::gemm_fp64(data.problem(), data.operands(), exact.data());
  reference::gemm_magnitude(data.problem(), data.operands(), magnitude.data());
  run(data, threads);
  const auto tolerance = reference::tolerance_of(data.problem().out, Backend::kCpu);
  const auto result = reference::compare(data.problem(), data.groups(), data.operands().d,
                                         exact.data(), magnitude.data(), tolerance);
  EXPECT_TRUE(result.passed) << what << ": " << result.text(data.problem(), tolerance, "cpu");
  EXPECT_EQ(data.d_damage(), "") << what;
  if (data.spec().data != DataKind::kExact) return;
  const std::vector<std::byte> computed = d_bytes(data);
  data.reset_d();
  reference::gemm(data.problem(), data.operands());
  EXPECT_TRUE(computed == d_bytes(data)) << what << ": exact data, but not the reference's bits";
}

ProblemSpec random_spec(Form form, std::uint64_t seed) {
  support::Random random(seed);
  ProblemSpec spec;
  spec.form = form;
  spec.seed = seed;
  spec.m = random.integer(1, form == Form::kMasked ? 60 : 300);
  spec.n = random.integer(1, 300);
  spec.k = random.integer(1, 300);
  spec.num_groups = form == Form::kNone ? 1 : random.integer(1, 6);
  spec.alignment = std::int64_t{16} << random.integer(0, 4);
  spec.index_is_int64 = form == Form::kOffsets && random.integer(0, 1) == 1;
  spec.scale_b_block =
      random.integer(0, 1) == 0 ? plan::ScaleBBlock::k128x128 : plan::ScaleBBlock::k1x128;
  spec.out = random.integer(0, 1) == 0 || form != Form::kNone ? DType::kBf16 : DType::kFp32;
  spec.accumulate = spec.out == DType::kFp32 && random.integer(0, 1) == 1;
  spec.zero_padding = form == Form::kRowGroup && random.integer(0, 1) == 1;
  spec.batch_invariant = random.integer(0, 3) == 0;
  spec.data = static_cast<DataKind>(random.integer(0, 2));
  spec.scale_a_order = static_cast<reference::ScaleOrder>(random.integer(0, 1));
  spec.scale_b_order = static_cast<reference::ScaleOrder>(random.integer(0, 1));
  spec.extra_pitch = 16 * random.integer(0, 2);
  spec.spare_rows = random.integer(0, 1) * random.integer(0, 40);
  return spec;
}

class CpuGemm : public ::testing::TestWithParam<Form> {};
INSTANTIATE_TEST_SUITE_P(EveryForm, CpuGemm, ::testing::ValuesIn(kForms));

TEST_P(CpuGemm, RandomProblemsMatchTheReference) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ProblemData data(random_spec(GetParam(), seed * 5 + static_cast<std::uint64_t>(GetParam())));
    check(data, 1 + static_cast<int>(seed % 3));
  }
}

TEST_P(CpuGemm, AnyThreadCountGivesTheSameBits) {
  ProblemSpec spec{.form = GetParam(),
                   .m = 200,
                   .n = 1000,
                   .k = 700,
                   .num_groups = GetParam() == Form::kNone ? 1 : 7};
  ProblemData data(spec);
  run(data, 1);
  const auto one = d_bytes(data);
  for (const int threads : {2, 3, 5}) {
    data.reset_d();
    run(data, threads);
    EXPECT_TRUE(one == d_bytes(data)) << threads << " threads";
  }
}

TEST_P(CpuGemm, KOfZeroAndNoRows) {
  const std::int64_t groups = GetParam() == Form::kNone ? 1 : 3;
  ProblemData no_k({.form = GetParam(),
                    .m = 20,
                    .n = 30,
                    .k = 0,
                    .num_groups = groups,
                    .data = DataKind::kExact});
  check(no_k);
  ProblemData no_rows({.form = GetParam(), .m = 0, .n = 30, .k = 100, .num_groups = groups});
  check(no_rows);
  ProblemData no_cols({.form = GetParam(), .m = 20, .n = 0, .k = 100, .num_groups = groups});
  check(no_cols);
}

TEST(CpuGemmDense, ModelSizesWithFewRows) {
  for (const auto& [n, k] : {std::pair{2112, 7168}, std::pair{7168, 2048}}) {
    ProblemData data({.m = 4, .n = n, .k = k});
    check(data);
  }
}

TEST(CpuGemmDense, KOfZeroLeavesTheSumUnchanged) {
  ProblemData data({.m = 9, .n = 9, .k = 0, .out = DType::kFp32, .accumulate = true});
  const auto before = d_bytes(data);
  run(data);
  EXPECT_TRUE(before == d_bytes(data));
}

/// The bits of row `row` of D.
std::vector<std::byte> row_bits(ProblemData& data, std::int64_t row) {
  const auto& p = data.problem();
  const auto* begin =
      static_cast<const std::byte*>(data.operands().d.data) + row * p.d.row_stride * size_of(p.out);
  return {begin, begin + p.n * size_of(p.out)};
}

TEST(CpuGemmDense, BatchInvariantRowsDependOnNothingElse) {
  ProblemSpec spec{.m = 300, .n = 200, .k = 1000};
  spec.out = DType::kFp32;
  spec.batch_invariant = true;
  ProblemData whole(spec);
  run(whole);
  for (const std::int64_t m : {1, 2, 7, 33, 64, 100}) {
    ProblemSpec part_spec = spec;
    part_spec.m = m;
    ProblemData part(part_spec);
    const auto& from = whole.problem();
    const auto& to = part.problem();
    const std::int64_t first = 300 - m;  // another place in another block
    for (std::int64_t row = 0; row < m; ++row) {
      std::memcpy(static_cast<std::byte*>(part.operands().a.data) + row * to.a.row_stride,
                  static_cast<const std::byte*>(whole.operands().a.data) +
                      (first + row) * from.a.row_stride,
                  1000);
      for (std::int64_t block = 0; block < 8; ++block) {
        static_cast<float*>(part.operands().scale_a.data)[row + block * to.scale_a.col_stride] =
            static_cast<const float*>(
                whole.operands().scale_a.data)[first + row + block * from.scale_a.col_stride];
      }
    }
    std::memcpy(part.operands().b.data, whole.operands().b.data,
                static_cast<std::size_t>(200 * to.b.row_stride));
    std::memcpy(part.operands().scale_b.data, whole.operands().scale_b.data, 2 * 8 * sizeof(float));
    run(part);
    for (std::int64_t row = 0; row < m; ++row) {
      EXPECT_TRUE(row_bits(part, row) == row_bits(whole, first + row))
          << "m " << m << ", row " << row;
    }
  }
}

/// Kernel families of OpenBLAS that this processor runs, by the names that OPENBLAS_CORETYPE takes.
std::vector<std::string> openblas_kernels() {
#if defined(__x86_64__)
  std::vector<std::string> names{"Prescott", "Nehalem"};
  if (__builtin_cpu_supports("avx")) names.push_back("Sandybridge");
  if (__builtin_cpu_supports("avx2")) names.insert(names.end(), {"Haswell", "Zen"});
  if (__builtin_cpu_supports("avx512f")) names.push_back("SkylakeX");
  return names;
#else
  return {"ARMV8"};
#endif
}

TEST(CpuGemmDense, BatchInvariantWithEveryKernelOfOpenBlas) {
  for (const std::string& kernel : openblas_kernels()) {
    const std::string command =
        "OPENBLAS_CORETYPE=" + kernel + " " +
        std::filesystem::read_symlink("/proc/self/exe").string() +
        " --gtest_filter=CpuGemmDense.BatchInvariantRowsDependOnNothingElse > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
}

TEST(CpuGemmDense, NanAndInfiniteInputsStayInTheirRowAndColumn) {
  ProblemData data({.m = 5, .n = 6, .k = 130, .out = DType::kFp32});
  static_cast<std::uint8_t*>(data.operands().a.data)[2 * data.problem().a.row_stride + 129] =
      support::kE4m3Nan;
  static_cast<std::uint8_t*>(data.operands().b.data)[4 * data.problem().b.row_stride] =
      support::kE4m3Nan;
  run(data);
  const auto* d = static_cast<const float*>(data.operands().d.data);
  for (int row = 0; row < 5; ++row) {
    for (int col = 0; col < 6; ++col) {
      EXPECT_EQ(std::isnan(d[row * data.problem().d.row_stride + col]), row == 2 || col == 4)
          << row << ", " << col;
    }
  }
}

TEST(CpuGemmDense, SpecialScalesGiveWhatTheReferenceGives) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  ProblemSpec spec{.m = 8, .n = 140, .k = 200};
  spec.out = DType::kFp32;
  ProblemData data(spec);
  auto* scale_a =
      static_cast<float*>(data.operands().scale_a.data);  // one for each row, then block 1
  scale_a[0] = kInfinity;
  scale_a[1] = -scale_a[1];
  scale_a[2] = 0.0f;
  scale_a[3] = kNan;
  scale_a[4] = 1e30f;
  static_cast<float*>(data.operands().scale_b.data)[2] = -kInfinity;  // columns 128 to 139, block 0
  check(data);
  const auto* d = static_cast<const float*>(data.operands().d.data);
  const std::int64_t pitch = data.problem().d.row_stride;
  EXPECT_FALSE(std::isfinite(d[0]));
  EXPECT_TRUE(std::isfinite(d[pitch]));
  EXPECT_TRUE(std::isfinite(d[2 * pitch]));
  EXPECT_TRUE(std::isnan(d[3 * pitch]));
  EXPECT_FALSE(std::isfinite(d[pitch + 130]));
}

TEST(CpuGemmGrouped, BrokenMetadataIsRefusedBeforeDIsTouched) {
  ProblemData data({.form = Form::kOffsets, .m = 40, .n = 16, .k = 128, .num_groups = 4});
  const auto before = d_bytes(data);
  static_cast<std::int32_t*>(data.operands().groups.index.data)[4] = 41;
  try {
    run(data);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("offsets[4] is 41"));
  }
  EXPECT_TRUE(before == d_bytes(data));
}

TEST(CpuGemmDense, RowsFartherApartThan32BitsCanCount) {
  constexpr std::int64_t kPitch =
      (std::int64_t{1} << 30) + 16;  // three rows span more than 2^31 elements
  constexpr std::int64_t kBytes = 3 * kPitch;
  void* sparse = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(sparse, MAP_FAILED);
  ProblemData data({.m = 3, .n = 17, .k = 200, .data = DataKind::kExact});
  plan::GemmProblem far = data.problem();
  GemmOperands operands = data.operands();
  for (std::int64_t row = 0; row < 3; ++row) {
    std::memcpy(static_cast<std::byte*>(sparse) + row * kPitch,
                static_cast<const std::byte*>(operands.a.data) + row * far.a.row_stride, 200);
  }
  far.a.row_stride = kPitch;
  operands.a.data = sparse;
  operands.a.stride[0] = kPitch;
  run(data);
  const auto expected = d_bytes(data);
  data.reset_d();
  gemm(far, plan_gemm(far, 2), operands, blas());
  EXPECT_TRUE(expected == d_bytes(data));
  munmap(sparse, kBytes);
}

TEST(CpuGemmPlan, TagsAreReadBackAndBadOnesRefused) {
  plan::GemmProblem problem = ProblemData({.m = 100, .n = 300, .k = 500}).problem();
  const GemmPlan planned = plan_gemm(problem, 2);
  problem.config = planned.tag;
  const GemmPlan forced = plan_gemm(problem, 7);
  EXPECT_EQ(forced.tag, planned.tag);
  EXPECT_EQ(forced.block_n, planned.block_n);
  EXPECT_EQ(forced.threads, planned.threads);
  for (const char* bad : {"cpu", "cpu_64x64x100_t1", "cpu_0x64x128_t1", "cpu_64x64x128_t0",
                          "cpu_64x64x128_t1x", "cpu_9999999x64x128_t1", "fp8_gemm_128x112_s5"}) {
    problem.config = bad;
    EXPECT_THROW(plan_gemm(problem, 2), Error) << bad;
  }
}

TEST(CpuGemmPlan, BatchInvariantDecidesTheRowsOfABlock) {
  ProblemSpec spec{.m = 100, .n = 300, .k = 500};
  spec.batch_invariant = true;
  plan::GemmProblem problem = ProblemData(spec).problem();
  const GemmPlan planned = plan_gemm(problem, 2);
  for (const std::int64_t m : {1, 16, 1000, 100000}) {
    problem.m = m;
    EXPECT_EQ(plan_gemm(problem, 2).block_m, planned.block_m);
    EXPECT_EQ(plan_gemm(problem, 2).block_n, planned.block_n);
    EXPECT_EQ(plan_gemm(problem, 2).block_k, planned.block_k);
  }
  problem.config = "cpu_64x128x512_t2";
  EXPECT_THROW(plan_gemm(problem, 2), Error);
}

TEST(CpuGemmPlan, AForcedConfigGivesTheSameBitsOnExactData) {
  ProblemSpec spec{.form = Form::kOffsets, .m = 90, .n = 200, .k = 700, .num_groups = 3};
  spec.data = DataKind::kExact;
  ProblemData data(spec);
  run(data);
  const auto expected = d_bytes(data);
  plan::GemmProblem problem = data.problem();
  for (const char* tag : {"cpu_1x1x128_t2", "cpu_7x33x256_t3", "cpu_512x512x1024_t1"}) {
    data.reset_d();
    problem.config = tag;
    gemm(problem, plan_gemm(problem, 1), data.operands(), blas());
    EXPECT_TRUE(expected == d_bytes(data)) << tag;
  }
}

TEST(Blas, UsesOneThreadWhileAnyBlasOfTheProcessNeedsIt) {
  Blas other;
  other.load();
  std::string why;
  const auto library = support::SharedLibrary::open(other.library(), why);
  ASSERT_TRUE(library) << why;
  const std::string prefix =
      library->function<int()>("openblas_get_num_threads") == nullptr ? "scipy_" : "";
  auto* const threads = library->function<int()>((prefix + "openblas_get_num_threads").c_str());
  library->function<void(int)>((prefix + "openblas_set_num_threads").c_str())(2);
  const int before = threads();
  std::optional<Blas::OneThread> first(blas());
  std::optional<Blas::OneThread> second(other);
  EXPECT_EQ(threads(), 1);
  first.reset();
  EXPECT_EQ(threads(), 1);
  second.reset();
  EXPECT_EQ(threads(), before);
}

TEST(Blas, SaysWhatWasTriedAndWhatToInstall) {
  Blas missing("/nonexistent/libopenblas.so.0");
  try {
    missing.load();
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("/nonexistent/libopenblas.so.0"));
    EXPECT_THAT(error.what(), HasSubstr("libopenblas0-pthread"));
  }
  Blas not_blas("libm.so.6");
  EXPECT_THROW(not_blas.load(), Error);
  EXPECT_EQ(not_blas.library(), "");
}

}  // namespace
}  // namespace fathom::cpu
