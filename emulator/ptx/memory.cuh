// device/ptx/memory.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

struct Float2 {
  float x, y;
};
struct Float4 {
  float x, y, z, w;
};

SmemAddr smem_address(const void* pointer);
float load_shared(SmemAddr from);
uint16_t load_shared_u16(SmemAddr from);
Float2 load_shared_v2(SmemAddr from);
Float4 load_shared_v4(SmemAddr from);
void store_shared_v2(SmemAddr to, float x, float y);
void store_shared_v4(SmemAddr to, Float4 v);
void store_async_v4(SmemAddr to, Float4 v, SmemAddr barrier);
void stmatrix_x4(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3);
void stmatrix_x2(SmemAddr row, uint32_t r0, uint32_t r1);
void stmatrix_x4_trans(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3);
void stmatrix_x2_trans(SmemAddr row, uint32_t r0, uint32_t r1);
float load_global(const float* from);
void store_global(float* to, float v);
void store_global(uint32_t* to, uint32_t v);
void store_global(uint16_t* to, uint16_t v);
void cp_async_4(SmemAddr to, const float* from);
void cp_async_arrive(SmemAddr barrier);
uint32_t pack_bf16(float low, float high);

}  // namespace fathom::ptx
