// device/ptx/cast.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

float divide(float a, float b);
float multiply(float a, float b);
float max_number(float a, float b);
float absolute(float a);
float float_of_bits(uint32_t bits);
uint32_t bits_of_float(float value);
float float_of_fp16(uint32_t bits);
uint32_t pack_e4m3(float low, float high);
uint32_t fp16_of_e4m3(uint32_t codes);
float shuffle_xor(float value, int mask);

}  // namespace fathom::ptx
