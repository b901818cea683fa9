// The judge is judged first: the FP64 kernel of the device tests against reference/, and its eye
// for planted faults.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "api/gemm_check.hpp"
#include "device/gpu_problem.hpp"
#include "reference/gemm.hpp"

namespace fathom::testing {
namespace {

/// The same operands in host memory.
struct HostCopy {
  std::vector<std::byte> a, b, scale_a, scale_b, d;
  GemmOperands views;
};

std::int64_t span_bytes(const TensorView& view) {
  std::int64_t last = 0;
  for (std::size_t i = 0; i < 2; ++i) last += (view.shape[i] - 1) * view.stride[i];
  return (last + 1) * size_of(view.dtype);
}

std::vector<std::byte> fetch(TensorView& view, std::vector<std::byte>& memory) {
  const cuda::Device& device = Oracle::instance().device();
  memory.resize(static_cast<std::size_t>(span_bytes(view)));
  const cuda::ContextGuard guard(device);
  const cuda::abi::Api& api = device.driver().api();
  EXPECT_EQ(
      api.memcpy_dtoh_async(memory.data(), reinterpret_cast<cuda::abi::DevicePointer>(view.data),
                            memory.size(), nullptr),
      0);
  EXPECT_EQ(api.stream_synchronize(nullptr), 0);
  view.data = memory.data();
  view.device = {};
  return {};
}

HostCopy copy_to_host(const GpuProblem& problem) {
  HostCopy host;
  host.views = problem.operands();
  fetch(host.views.a, host.a);
  fetch(host.views.b, host.b);
  fetch(host.views.scale_a, host.scale_a);
  fetch(host.views.scale_b, host.scale_b);
  fetch(host.views.d, host.d);
  return host;
}

std::vector<GpuCase> oracle_cases() {
  using reference::DataKind;
  using reference::ScaleOrder;
  return {{.m = 65, .n = 130, .k = 300},
          {.m = 7, .n = 264, .k = 1152, .data = DataKind::kExact, .extra_pitch = 32, .seed = 2},
          {.m = 64, .n = 200, .k = 100, .scale_b_block = plan::ScaleBBlock::k1x128, .seed = 3},
          {.m = 33, .n = 129, .k = 513, .scale_a_order = ScaleOrder::kKContiguous, .seed = 4},
          {.m = 130, .n = 129, .k = 129, .scale_b_order = ScaleOrder::kRowsContiguous, .seed = 5}};
}

TEST(OracleDevice, MatchesTheReference) {
  for (const GpuCase& gpu_case : oracle_cases()) {
    GpuProblem problem(Oracle::instance(), gpu_case);
    HostCopy host = copy_to_host(problem);
    const plan::GemmProblem checked = api::check_gemm(host.views, {});
    const auto elements = static_cast<std::size_t>(gpu_case.m * gpu_case.n);
    std::vector<double> exact(elements), magnitude(elements);
    reference::gemm_fp64(checked, host.views, exact.data());
    reference::gemm_magnitude(checked, host.views, magnitude.data());
    const auto product = problem.exact_product();
    for (std::size_t i = 0; i < elements; ++i) {
      // Both are FP64 sums of at most 2^14 terms in different orders.
      ASSERT_NEAR(product[i], exact[i], 0x1p-38 * magnitude[i])
          << gpu_case.text() << " element " << i;
    }
  }
}

/// D as the reference rounds it, on the GPU.
void put_reference_d(GpuProblem& problem) {
  HostCopy host = copy_to_host(problem);
  reference::gemm(api::check_gemm(host.views, {}), host.views);
  const cuda::Device& device = Oracle::instance().device();
  const cuda::ContextGuard guard(device);
  const auto to = reinterpret_cast<cuda::abi::DevicePointer>(problem.operands().d.data);
  ASSERT_EQ(device.driver().api().memcpy_htod_async(to, host.d.data(), host.d.size(), nullptr), 0);
  ASSERT_EQ(device.driver().api().stream_synchronize(nullptr), 0);
}

void write_byte(const void* base, std::int64_t offset, unsigned char value) {
  const cuda::Device& device = Oracle::instance().device();
  const cuda::ContextGuard guard(device);
  const auto to = reinterpret_cast<cuda::abi::DevicePointer>(base) +
                  static_cast<cuda::abi::DevicePointer>(offset);
  ASSERT_EQ(device.driver().api().memset_d8_async(to, value, 1, nullptr), 0);
}

TEST(OracleDevice, AcceptsTheReferenceAndSeesOneWrongElement) {
  for (const reference::DataKind data :
       {reference::DataKind::kRandom, reference::DataKind::kExact}) {
    GpuProblem problem(Oracle::instance(), {.m = 70, .n = 100, .k = 300, .data = data});
    put_reference_d(problem);
    EXPECT_TRUE(problem.judge("reference").passed) << problem.judge("reference").text;
    // The high byte of the bf16 at [69, 99]; rows are 104 elements apart.
    write_byte(problem.operands().d.data, (69 * 104 + 99) * 2 + 1, 0x7b);
    const Verdict verdict = problem.judge("reference");
    EXPECT_FALSE(verdict.passed);
    EXPECT_EQ(verdict.wrong, 1);
    EXPECT_NE(verdict.text.find("first at [69, 99]"), std::string::npos) << verdict.text;
    EXPECT_NE(verdict.text.find("rows 69; columns 99"), std::string::npos) << verdict.text;
  }
}

TEST(OracleDevice, SeesOneBitOnExactData) {
  GpuProblem problem(Oracle::instance(),
                     {.m = 16, .n = 24, .k = 128, .data = reference::DataKind::kExact});
  put_reference_d(problem);
  const HostCopy before = copy_to_host(problem);
  std::uint16_t element = 0;
  std::memcpy(&element, before.d.data(), 2);
  write_byte(problem.operands().d.data, 0, static_cast<unsigned char>((element & 0xff) ^ 1));
  EXPECT_EQ(problem.judge("reference").wrong, 1);
}

TEST(OracleDevice, SeesNanAndUnwrittenD) {
  GpuProblem problem(Oracle::instance(), {.m = 16, .n = 24, .k = 128});
  EXPECT_EQ(problem.judge("nothing").wrong, 16 * 24) << "canaries are no result";
  put_reference_d(problem);
  write_byte(problem.operands().d.data, 0, 0xff);
  write_byte(problem.operands().d.data, 1, 0x7f);
  EXPECT_EQ(problem.judge("reference").wrong, 1);
}

TEST(OracleDevice, SeesBytesWrittenOutsideD) {
  GpuProblem problem(Oracle::instance(), {.m = 16, .n = 20, .k = 128});
  put_reference_d(problem);
  EXPECT_EQ(problem.judge("reference").damaged_bytes, 0);
  write_byte(problem.operands().d.data, -1, 0);           // before D
  write_byte(problem.operands().d.data, 20 * 2, 0);       // behind the first row, inside its pitch
  write_byte(problem.operands().d.data, 16 * 24 * 2, 0);  // behind D
  EXPECT_EQ(problem.judge("reference").damaged_bytes, 3);
}

}  // namespace
}  // namespace fathom::testing
