// Integer arithmetic used on both sides. Contract layer: includes only base/types.hpp.
#pragma once

#include "base/types.hpp"

namespace fathom {

template <typename T>
FATHOM_HD constexpr T min_of(T a, T b) {
  return a < b ? a : b;
}

template <typename T>
FATHOM_HD constexpr T max_of(T a, T b) {
  return a > b ? a : b;
}

template <typename T>
FATHOM_HD constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

template <typename T>
FATHOM_HD constexpr T round_up(T a, T b) {
  return ceil_div(a, b) * b;
}

template <typename T>
FATHOM_HD constexpr T round_down(T a, T b) {
  return a / b * b;
}

FATHOM_HD constexpr int gcd_of(int a, int b) {
  while (b != 0) {
    const int r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/// Divides by a number that is known before the kernel runs, by two instructions instead of twenty:
/// n / d = floor(n * m / 2^(31 + s)) for 0 <= n < 2^31, with 2^(s-1) < d <= 2^s and
/// m = floor(2^(31 + s) / d) + 1 (Granlund and Montgomery, PLDI 1994, theorem 4.2).
struct Divisor {
  uint32_t multiplier = 0x80000001;
  int32_t shift = 0;

  FATHOM_HD constexpr int32_t quotient(int32_t n) const {
    const uint64_t product = uint64_t{static_cast<uint32_t>(n) * 2} * multiplier;
    return static_cast<int32_t>(static_cast<uint32_t>(product >> 32) >> shift);
  }
};

/// d >= 1.
FATHOM_HD constexpr Divisor make_divisor(int32_t d) {
  Divisor divisor;
  while ((int64_t{1} << divisor.shift) < d) ++divisor.shift;
  divisor.multiplier =
      static_cast<uint32_t>((uint64_t{1} << (31 + divisor.shift)) / static_cast<uint64_t>(d) + 1);
  return divisor;
}

}  // namespace fathom
