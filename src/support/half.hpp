// bf16 and fp16 <-> FP32, round to nearest even. Support layer.
//
// Straight-line code, so that the compiler turns loops over these functions into vector code
// (src/cpu).
#pragma once

#include <bit>
#include <cstdint>

#include "support/bits.hpp"

namespace fathom::support {

constexpr float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// NaN stays NaN (made quiet, sign kept); what is too large becomes an infinity.
constexpr std::uint16_t bf16_from_float(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40u;
  return static_cast<std::uint16_t>(select((bits & 0x7fffffffu) > 0x7f800000u, nan, rounded));
}

/// One rounding, not two: the step over FP32 keeps a sticky bit (round to odd).
constexpr std::uint16_t bf16_from_double(double value) {
  const float nearest = static_cast<float>(value);
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  const double back = static_cast<double>(nearest);
  if (back != value && value == value && (bits & 1u) == 0 && (bits & 0x7fffffffu) < 0x7f800000u) {
    const bool away = (back < 0 ? -back : back) > (value < 0 ? -value : value);
    bits = away ? bits - 1 : bits + 1;
  }
  return bf16_from_float(std::bit_cast<float>(bits));
}

constexpr float fp16_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  // As in e4m3_to_float: denormals are read with exponent 1 and the implicit one subtracted (127 -
  // 15 = 112).
  const bool denormal = magnitude < (1u << 23);
  const std::uint32_t rebased = magnitude + select(denormal, 113u << 23, 112u << 23);
  const std::uint32_t implicit_one = select(denormal, std::bit_cast<std::uint32_t>(0x1p-14f), 0);
  const float value = std::bit_cast<float>(rebased) - std::bit_cast<float>(implicit_one);
  // An infinity or NaN of fp16: the exponent field becomes all ones.
  const bool special = magnitude >= (31u << 23);
  const std::uint32_t bits =
      select(special, magnitude | 0x7f800000u, std::bit_cast<std::uint32_t>(value));
  return std::bit_cast<float>(bits | sign);
}

/// NaN stays NaN (made quiet, sign kept); what is too large becomes an infinity.
constexpr std::uint16_t fp16_from_float(float value) {
  const std::uint32_t all = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (all >> 16) & 0x8000u;
  const std::uint32_t magnitude = all & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  // 65520 is the midpoint between the largest fp16, 65504, and what would be the next.
  if (magnitude >= std::bit_cast<std::uint32_t>(65520.0f))
    return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14f)) {
    // The ulp of 0.5 in FP32 is 2^-24, the spacing of fp16's denormals.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(
        sign | (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5f)));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

}  // namespace fathom::support
