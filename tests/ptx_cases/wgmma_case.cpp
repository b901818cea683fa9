// See wgmma_case.hpp.
#include "ptx_cases/wgmma_case.hpp"

#include <fmt/format.h>

#include "ptx_cases/machine.hpp"
#include "support/fp8.hpp"
#include "support/random.hpp"

namespace fathom::ptx_cases {

double WgmmaCase::exact(int row, int col) const {
  double sum = 0;
  for (int k = 0; k < 128; ++k) {
    const auto i = static_cast<std::size_t>(row * 128 + k),
               j = static_cast<std::size_t>(col * 128 + k);
    sum += double{support::e4m3_to_float(a[i])} * double{support::e4m3_to_float(b[j])};
  }
  return sum;
}

WgmmaCase exact_case(int n, std::uint64_t seed) {
  support::Random random(seed);
  WgmmaCase data{n, std::vector<std::uint8_t>(64 * 128),
                 std::vector<std::uint8_t>(static_cast<std::size_t>(n) * 128)};
  for (auto* codes : {&data.a, &data.b})
    for (std::uint8_t& code : *codes)
      code = support::e4m3_from_float(static_cast<float>(random.integer(-2, 2)));
  return data;
}

std::vector<float> run(const WgmmaCase& data) {
  Machine& machine = Machine::instance();
  const cuda::Buffer a = machine.upload(data.a), b = machine.upload(data.b);
  const cuda::Buffer d(machine.device(), std::int64_t{64} * data.n * 4);
  machine.run(
      fmt::format("ptx_wgmma_{}", data.n),
      {.grid = {1}, .block = {128}, .shared_bytes = (64 + data.n) * 128},
      WgmmaParams{static_cast<const std::uint32_t*>(a.data()),
                  static_cast<const std::uint32_t*>(b.data()), static_cast<float*>(d.data())});
  return Machine::download<float>(d);
}

}  // namespace fathom::ptx_cases
