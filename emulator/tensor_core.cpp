#include "emulator/tensor_core.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "support/fp8.hpp"

namespace fathom::emulator {
namespace {

constexpr int kKeptBits = 13;  // after the leading one
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// 2^exponent, a normal number.
float power_of_two(int exponent) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

/// The first 14 bits of an integer.
int cut(int value) {
  const auto magnitude = static_cast<std::uint32_t>(std::abs(value));
  const int dropped = std::max(0, static_cast<int>(std::bit_width(magnitude)) - (kKeptBits + 1));
  const int kept = static_cast<int>(magnitude >> dropped << dropped);
  return value < 0 ? -kept : kept;
}

}  // namespace

const E4m3Table& e4m3_table() {
  static const E4m3Table table = [] {
    E4m3Table all{};
    for (std::size_t code = 0; code < 256; ++code) {
      all.value[code] = support::e4m3_to_float(static_cast<std::uint8_t>(code));
      const int field = static_cast<int>(code >> 3 & 15);
      all.exponent[code] = (code & 0x7f) == 0 ? kNoExponent : std::max(field, 1) - 7;
    }
    return all;
  }();
  return table;
}

void add_step(const OperandA& a, const OperandB& b, std::array<float, kWarpRows>& sums) {
  std::array<int, kWarpRows> top;
  for (std::size_t row = 0; row < kWarpRows; ++row)
    top[row] = sums[row] == 0 || std::isnan(sums[row]) ? kNoExponent : std::ilogb(sums[row]);
  for (std::size_t k = 0; k < kStepK; ++k)
    for (std::size_t row = 0; row < kWarpRows; ++row)
      top[row] = std::max(top[row], a.exponent[k][row] + b.exponent[k]);

  std::array<float, kWarpRows> scale;
  std::array<int, kWarpRows> total;
  std::array<int, kWarpRows> is_nan;
  for (std::size_t row = 0; row < kWarpRows; ++row) {
    if (top[row] <= kNoExponent / 2) top[row] = 0;  // nothing but zeros
    scale[row] = power_of_two(kKeptBits - top[row]);
    is_nan[row] = std::isnan(sums[row]) ? 1 : 0;
    total[row] = is_nan[row] != 0 ? 0 : static_cast<int>(sums[row] * scale[row]);
  }
  for (std::size_t k = 0; k < kStepK; ++k)
    for (std::size_t row = 0; row < kWarpRows; ++row) {
      const float product = a.value[k][row] * b.value[k];  // exact: 8 bits
      is_nan[row] |= product != product ? 1 : 0;
      total[row] += static_cast<int>(product == product ? product * scale[row] : 0.0f);
    }
  for (std::size_t row = 0; row < kWarpRows; ++row)
    sums[row] = is_nan[row] != 0
                    ? kNan
                    : static_cast<float>(cut(total[row])) * power_of_two(top[row] - kKeptBits);
}

}  // namespace fathom::emulator
