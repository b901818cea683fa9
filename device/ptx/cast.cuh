// Conversions and IEEE arithmetic that the language does not promise. PTX layer: one instruction,
// one function; includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// div.rn.f32: the correctly rounded quotient, denormals included, whatever the compiler's options.
FATHOM_DEVICE float divide(float a, float b) {
  float r;
  asm("div.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

/// mul.rn.f32: never contracted with an addition.
FATHOM_DEVICE float multiply(float a, float b) {
  float r;
  asm("mul.rn.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

/// max.f32: the other operand where one is NaN.
FATHOM_DEVICE float max_number(float a, float b) {
  float r;
  asm("max.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

/// abs.f32
FATHOM_DEVICE float absolute(float a) {
  float r;
  asm("abs.f32 %0, %1;" : "=f"(r) : "f"(a));
  return r;
}

/// mov.b32 between a register of bits and one of floats.
FATHOM_DEVICE float float_of_bits(uint32_t bits) {
  float r;
  asm("mov.b32 %0, %1;" : "=f"(r) : "r"(bits));
  return r;
}
FATHOM_DEVICE uint32_t bits_of_float(float value) {
  uint32_t r;
  asm("mov.b32 %0, %1;" : "=r"(r) : "f"(value));
  return r;
}

/// cvt.f32.f16 of the lower 16 bits: exact.
FATHOM_DEVICE float float_of_fp16(uint32_t bits) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(static_cast<uint16_t>(bits)));
  return r;
}

/// cvt.rn.satfinite.e4m3x2.f32: nearest even, +-448 beyond; `low` in the lower byte.
FATHOM_DEVICE uint32_t pack_e4m3(float low, float high) {
  uint16_t r;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(high), "f"(low));
  return r;
}

/// cvt.rn.f16x2.e4m3x2: two codes to fp16, exact; the first code's in the lower half.
FATHOM_DEVICE uint32_t fp16_of_e4m3(uint32_t codes) {
  uint32_t r;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(r) : "h"(static_cast<uint16_t>(codes)));
  return r;
}

/// shfl.sync.bfly: the value of the lane whose number differs in the bits of `mask`. All lanes take
/// part.
FATHOM_DEVICE float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

}  // namespace fathom::ptx
