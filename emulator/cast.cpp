// Conversions and IEEE arithmetic as the instructions define them. Emulator layer, inside.
#include "emulator/ptx/cast.cuh"

#include <bit>
#include <cmath>

#include "emulator/access.hpp"
#include "emulator/ptx/memory.cuh"
#include "support/fp8.hpp"

namespace fathom::emulator {
namespace {

constexpr std::uint16_t kNanBf16 = 0x7fff;  // what cvt gives for NaN (PTX ISA, cvt)

std::uint16_t bf16_of(float value) {
  std::uint16_t poisoned = 0;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (self().cluster->poisons.cast_to_bf16(bits, &poisoned)) return poisoned;
  if (std::isnan(value)) return kNanBf16;
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// Exact: fp16 has 10 mantissa bits and exponents -14 to 15.
float float_of_half(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1fu;
  const std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000u |
                                (mantissa == 0 ? 0 : 0x400000u | mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

/// cvt.rn.satfinite.e4m3x2 of one value: NaN loses its sign (seen on an H200).
std::uint32_t e4m3_of(float value) {
  return std::isnan(value) ? support::kE4m3Nan : support::e4m3_from_float(value);
}

/// Of a value that e4m3 holds, whose every code is exact in fp16.
std::uint32_t half_of_e4m3(std::uint8_t code) {
  const float value = support::e4m3_to_float(code);
  if (std::isnan(value)) return 0x7fff;  // cvt.rn.f16x2.e4m3x2 of NaN (PTX ISA, cvt)
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  if ((bits & 0x7fffffffu) == 0) return sign;
  return sign | (((bits >> 23 & 0xffu) - 112) << 10) | (bits >> 13 & 0x3ffu);
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

float divide(float a, float b) {
  return a / b;
}
float multiply(float a, float b) {
  return a * b;
}
float max_number(float a, float b) {
  if (std::isnan(a)) return b;
  if (std::isnan(b)) return a;
  if (a == b) return std::signbit(a) ? b : a;  // +0 is above -0
  return a > b ? a : b;
}
float absolute(float a) {
  return std::fabs(a);
}
float float_of_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t bits_of_float(float value) {
  return std::bit_cast<uint32_t>(value);
}
float float_of_fp16(uint32_t bits) {
  return emulator::float_of_half(bits);
}

uint32_t pack_e4m3(float low, float high) {
  emulator::check_float_use(emulator::self(), low, "cvt.e4m3x2");
  emulator::check_float_use(emulator::self(), high, "cvt.e4m3x2");
  return emulator::e4m3_of(low) | emulator::e4m3_of(high) << 8;
}
uint32_t fp16_of_e4m3(uint32_t codes) {
  return emulator::half_of_e4m3(static_cast<uint8_t>(codes)) |
         emulator::half_of_e4m3(static_cast<uint8_t>(codes >> 8)) << 16;
}
uint32_t pack_bf16(float low, float high) {
  return emulator::bf16_of(low) | static_cast<uint32_t>(emulator::bf16_of(high)) << 16;
}

}  // namespace fathom::ptx
