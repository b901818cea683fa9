// device/ptx/global.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

struct Word2 {
  uint32_t x, y;
};
struct Word4 {
  uint32_t x, y, z, w;
};

Word4 load_global_v4(const void* from);
uint32_t load_global_u32(const void* from);
uint32_t load_global_u16(const void* from);
uint32_t load_global_u8(const void* from);
int32_t load_global_s32(const int32_t* from);
int64_t load_global_s64(const int64_t* from);
inline void prefetch_l2(const void*) {}
void store_global_v4(void* to, Word4 v);
void store_global_v2(void* to, Word2 v);
void store_global_u32(void* to, uint32_t v);
void store_global_u16(void* to, uint32_t v);
void store_global_u8(void* to, uint32_t v);
uint32_t load_shared_u32(SmemAddr from);
Word4 load_shared_v4_u32(SmemAddr from);
void store_shared_v4_u32(SmemAddr to, Word4 v);
void store_shared_u32(SmemAddr to, uint32_t v);

}  // namespace fathom::ptx
