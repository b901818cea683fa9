// FP8 e4m3 <-> FP32, exact both ways: the one codec of the library. Support layer; no other header
// of ours.
//
// e4m3 has no infinity: S.EEEE.MMM, bias 7, NaN = S.1111.111, largest 448, smallest denormal 2^-9.
// Both functions are straight-line code, so that the compiler turns loops over them into vector
// code (src/cpu).
#pragma once

#include <bit>
#include <cstdint>

#include "support/bits.hpp"

namespace fathom::support {

inline constexpr std::uint8_t kE4m3Nan = 0x7f;
inline constexpr float kE4m3Max = 448.0f;

/// Exact for all 256 codes; both NaN codes give the quiet NaN with the code's sign.
constexpr float e4m3_to_float(std::uint8_t code) {
  const std::uint32_t all = code;
  const std::uint32_t sign = (all & 0x80u) << 24;
  const std::uint32_t magnitude = all & 0x7fu;
  // A denormal is read as if its exponent were 1 and had the implicit one, which is then
  // subtracted: no FP32 denormal arises, so the result does not depend on flush-to-zero and costs
  // no microcode assist.
  const bool denormal = magnitude < 8;
  const std::uint32_t bits = (magnitude << 20) + select(denormal, 121u << 23, 120u << 23);
  const std::uint32_t implicit_one = select(denormal, std::bit_cast<std::uint32_t>(0x1p-6f), 0);
  const float value = std::bit_cast<float>(bits) - std::bit_cast<float>(implicit_one);
  const std::uint32_t finite = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>(select(magnitude == kE4m3Nan, 0x7fc00000u, finite) | sign);
}

/// Rounds to nearest even, saturates to +-448 (infinities too), keeps the sign of zero; NaN gives
/// 0x7f with the sign of the NaN.
constexpr std::uint8_t e4m3_from_float(float value) {
  const std::uint32_t all = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (all >> 24) & 0x80u;
  const std::uint32_t magnitude = all & 0x7fffffffu;
  const std::uint32_t max_bits = std::bit_cast<std::uint32_t>(kE4m3Max);
  const std::uint32_t clamped = select(magnitude < max_bits, magnitude, max_bits);
  // Normal results: round the 20 dropped bits in integer arithmetic, then rebias the exponent (127
  // - 7 = 120).
  const std::uint32_t rounded = clamped + 0x7ffffu + ((clamped >> 20) & 1u);
  const std::uint32_t normal = (rounded >> 20) - (120u << 3);
  // Denormal results: the ulp of 2^14 in FP32 is 2^-9, the spacing of e4m3's denormals.
  const float shifted = std::bit_cast<float>(clamped) + 0x1p14f;
  const std::uint32_t denormal =
      std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0x1p14f);
  const bool is_denormal = clamped < std::bit_cast<std::uint32_t>(0x1p-6f);
  const std::uint32_t finite = select(is_denormal, denormal, normal);
  return static_cast<std::uint8_t>(select(magnitude > 0x7f800000u, kE4m3Nan, finite) | sign);
}

}  // namespace fathom::support
