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

}  // namespace fathom
