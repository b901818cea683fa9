#include "emulator/tensor_core.hpp"

#include "support/fp8.hpp"

namespace fathom::emulator {

const std::array<double, 256>& e4m3_values() {
  static const std::array<double, 256> values = [] {
    std::array<double, 256> all{};
    for (std::size_t code = 0; code < all.size(); ++code)
      all[code] = static_cast<double>(support::e4m3_to_float(static_cast<std::uint8_t>(code)));
    return all;
  }();
  return values;
}

void add_step(const OperandA& a, const std::array<double, kStepK>& b,
              std::array<float, kWarpRows>& sums) {
  std::array<double, kWarpRows> exact{};
  for (std::size_t k = 0; k < kStepK; ++k) {
    for (std::size_t row = 0; row < kWarpRows; ++row) exact[row] += a[k][row] * b[k];
  }
  for (std::size_t row = 0; row < kWarpRows; ++row)
    sums[row] = static_cast<float>(static_cast<double>(sums[row]) + exact[row]);
}

}  // namespace fathom::emulator
