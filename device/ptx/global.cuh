// Loads and stores of global memory by width. PTX layer: one instruction, one function; includes
// only base/.
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

/// ld.global.nc, 16 bytes, aligned: data that no thread of the grid writes.
FATHOM_DEVICE Word4 load_global_v4(const void* from) {
  Word4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
}

/// ld.global.nc, 4, 2 and 1 bytes.
FATHOM_DEVICE uint32_t load_global_u32(const void* from) {
  uint32_t v;
  asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(from));
  return v;
}
FATHOM_DEVICE uint32_t load_global_u16(const void* from) {
  uint16_t v;
  asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(v) : "l"(from));
  return v;
}
FATHOM_DEVICE uint32_t load_global_u8(const void* from) {
  uint32_t v;
  asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(v) : "l"(from));
  return v;
}

/// ld.relaxed.gpu.global, 4 and 8 bytes: from L2, what earlier grids wrote.
FATHOM_DEVICE int32_t load_global_s32(const int32_t* from) {
  int32_t v;
  asm volatile("ld.relaxed.gpu.global.s32 %0, [%1];" : "=r"(v) : "l"(from) : "memory");
  return v;
}
FATHOM_DEVICE int64_t load_global_s64(const int64_t* from) {
  int64_t v;
  asm volatile("ld.relaxed.gpu.global.s64 %0, [%1];" : "=l"(v) : "l"(from) : "memory");
  return v;
}

/// prefetch.global.L2: asks for the line; nothing waits for it.
FATHOM_DEVICE void prefetch_l2(const void* at) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(at) : "memory");
}

/// st.global, 16 bytes, aligned.
FATHOM_DEVICE void store_global_v4(void* to, Word4 v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y), "r"(v.z),
               "r"(v.w)
               : "memory");
}

/// st.global, 8 bytes, aligned.
FATHOM_DEVICE void store_global_v2(void* to, Word2 v) {
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(v.x), "r"(v.y) : "memory");
}

/// st.global, 4, 2 and 1 bytes.
FATHOM_DEVICE void store_global_u32(void* to, uint32_t v) {
  asm volatile("st.global.u32 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}
FATHOM_DEVICE void store_global_u16(void* to, uint32_t v) {
  asm volatile("st.global.u16 [%0], %1;" ::"l"(to), "h"(static_cast<uint16_t>(v)) : "memory");
}
FATHOM_DEVICE void store_global_u8(void* to, uint32_t v) {
  asm volatile("st.global.u8 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}

/// ld.shared.u32 and st.shared.u32
FATHOM_DEVICE uint32_t load_shared_u32(SmemAddr from) {
  uint32_t v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(from.value) : "memory");
  return v;
}
/// The same, 16 bytes, aligned.
FATHOM_DEVICE Word4 load_shared_v4_u32(SmemAddr from) {
  Word4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(from.value)
               : "memory");
  return v;
}
FATHOM_DEVICE void store_shared_v4_u32(SmemAddr to, Word4 v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to.value), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}
FATHOM_DEVICE void store_shared_u32(SmemAddr to, uint32_t v) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(to.value), "r"(v) : "memory");
}

}  // namespace fathom::ptx
