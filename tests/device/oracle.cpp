// Compiles, loads and launches the kernels of oracle_source.cpp. Test support.
#include "device/oracle.hpp"

#include <array>
#include <cmath>

#include "api/cuda_runtime.hpp"
#include "device/oracle_source.hpp"
#include "ptx_cases/machine.hpp"
#include "support/fp8.hpp"
#include "support/random.hpp"

namespace fathom::testing {
namespace {

constexpr std::uint64_t kTableSeed = 20'250'226;
/// As in reference/data_values.cpp: codes reach four deviations at the largest element of a block.
constexpr float kDeviation = support::kE4m3Max / 4;

const cuda::Library& load(const Context& context) {
  api::CudaRuntime& runtime = api::cuda_runtime(context);
  return runtime.driver.library("device test oracle", [&] {
    return runtime.builder.build("device_test_oracle", kOracleSource)->image;
  });
}

template <typename T>
cuda::Buffer upload(const cuda::Device& device, const std::vector<T>& values) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
  cuda::Buffer buffer(device, bytes);
  buffer.upload(values.data(), bytes);
  return buffer;
}

}  // namespace

Oracle& Oracle::instance() {
  static Oracle oracle;
  return oracle;
}

Oracle::Oracle()
    : context_(Context::from_env()), device_(api::cuda_runtime(context_).driver.device(0)) {
  device_.require_hopper();
  const cuda::Library& library = load(context_);
  fill_codes_ = library.function(device_, "fill_codes", 0);
  fill_floats_ = library.function(device_, "fill_floats", 0);
  check_gemm_ = library.function(device_, "check_gemm", 0);
  check_canaries_ = library.function(device_, "check_canaries", 0);
  poison_rows_ = library.function(device_, "poison_rows", 0);
  compare_bytes_ = library.function(device_, "compare_bytes", 0);
  support::Random random(kTableSeed);
  std::vector<std::uint8_t> codes[2];
  std::vector<float> scales[2], integers;
  for (std::uint32_t i = 0; i < kTable; ++i) {
    codes[0].push_back(support::e4m3_from_float(static_cast<float>(random.normal()) * kDeviation));
    codes[1].push_back(support::e4m3_from_float(static_cast<float>(random.integer(-2, 2))));
    scales[0].push_back(static_cast<float>(std::exp2(2.0 * random.uniform() - 1.0)) / kDeviation);
    scales[1].push_back(std::ldexp(1.0f, static_cast<int>(random.integer(-1, 1))));
    integers.push_back(static_cast<float>(random.integer(-4, 4)));
  }
  tables_[0] = upload(device_, codes[0]);
  tables_[1] = upload(device_, codes[1]);
  tables_[2] = upload(device_, scales[0]);
  tables_[3] = upload(device_, scales[1]);
  tables_[4] = upload(device_, integers);
  different_ = cuda::Buffer(device_, 8);
}

void Oracle::run(const CheckGemm& params, cuda::abi::Stream stream) {
  const std::int64_t tiles = ((params.m + 63) / 64) * ((params.n + 63) / 64);
  CheckGemm copy = params;
  void* list[] = {&copy};
  cuda::launch(check_gemm_, {.grid = {static_cast<unsigned>(tiles)}, .block = {256}}, stream, list);
}

bool Oracle::same_bytes(const cuda::Buffer& one, const cuda::Buffer& other) {
  different_.fill(0);
  spread(compare_bytes_,
         CompareBytes{one.data(), other.data(), different_.data(), one.bytes() / 16}, nullptr);
  std::uint64_t different = 1;
  different_.download(&different, sizeof(different));
  return one.bytes() == other.bytes() && different == 0;
}

}  // namespace fathom::testing

namespace fathom::ptx_cases {

const Context& machine_context() {
  return testing::Oracle::instance().context();
}

}  // namespace fathom::ptx_cases
