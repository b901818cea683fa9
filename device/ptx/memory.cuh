// Plain loads and stores, shared and global, and stmatrix. PTX layer: one instruction, one
// function; includes only base/.
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

/// cvta.to.shared: the shared address behind a generic pointer. Called once, on the kernel's
/// dynamic shared memory.
FATHOM_DEVICE SmemAddr smem_address(const void* pointer) {
  return {static_cast<uint32_t>(__cvta_generic_to_shared(pointer))};
}

/// ld.shared.f32
FATHOM_DEVICE float load_shared(SmemAddr from) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(from.value) : "memory");
  return v;
}

/// ld.shared.u16
FATHOM_DEVICE uint16_t load_shared_u16(SmemAddr from) {
  uint16_t v;
  asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v) : "r"(from.value) : "memory");
  return v;
}

/// ld.shared.v2.f32, 8-byte aligned
FATHOM_DEVICE Float2 load_shared_v2(SmemAddr from) {
  Float2 v;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];"
               : "=f"(v.x), "=f"(v.y)
               : "r"(from.value)
               : "memory");
  return v;
}

/// ld.shared.v4.f32, 16-byte aligned
FATHOM_DEVICE Float4 load_shared_v4(SmemAddr from) {
  Float4 v;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(from.value)
               : "memory");
  return v;
}

/// st.shared.v2.f32, 8-byte aligned
FATHOM_DEVICE void store_shared_v2(SmemAddr to, float x, float y) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(to.value), "f"(x), "f"(y) : "memory");
}

/// st.shared.v4.f32
FATHOM_DEVICE void store_shared_v4(SmemAddr to, Float4 v) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(to.value), "f"(v.x), "f"(v.y),
               "f"(v.z), "f"(v.w)
               : "memory");
}

/// st.async.v4.f32 into any CTA of the cluster: completes 16 bytes on `barrier` of that CTA, which
/// orders it there. Both addresses come from map_to_cta.
FATHOM_DEVICE void store_async_v4(SmemAddr to, Float4 v, SmemAddr barrier) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(to.value),
      "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w), "r"(barrier.value)
      : "memory");
}

/// stmatrix.x4: four 8x8 matrices of 16-bit elements; lanes 8i..8i+7 give the row addresses of
/// matrix i.
FATHOM_DEVICE void stmatrix_x4(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row.value),
               "r"(r0), "r"(r1), "r"(r2), "r"(r3)
               : "memory");
}

/// stmatrix.x2: two 8x8 matrices; lanes 0..15 give the row addresses.
FATHOM_DEVICE void stmatrix_x2(SmemAddr row, uint32_t r0, uint32_t r1) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(row.value), "r"(r0),
               "r"(r1)
               : "memory");
}

/// stmatrix.x4.trans and x2.trans: each matrix transposed, a lane's two elements in one column.
FATHOM_DEVICE void stmatrix_x4_trans(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2,
                                     uint32_t r3) {
  asm volatile(
      "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row.value),
      "r"(r0), "r"(r1), "r"(r2), "r"(r3)
      : "memory");
}
FATHOM_DEVICE void stmatrix_x2_trans(SmemAddr row, uint32_t r0, uint32_t r1) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(row.value),
               "r"(r0), "r"(r1)
               : "memory");
}

/// ld.global.f32
FATHOM_DEVICE float load_global(const float* from) {
  float v;
  asm volatile("ld.global.f32 %0, [%1];" : "=f"(v) : "l"(from) : "memory");
  return v;
}

/// st.global.f32
FATHOM_DEVICE void store_global(float* to, float v) {
  asm volatile("st.global.f32 [%0], %1;" ::"l"(to), "f"(v) : "memory");
}

/// st.global.u32
FATHOM_DEVICE void store_global(uint32_t* to, uint32_t v) {
  asm volatile("st.global.u32 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}

/// st.global.u16
FATHOM_DEVICE void store_global(uint16_t* to, uint16_t v) {
  asm volatile("st.global.u16 [%0], %1;" ::"l"(to), "h"(v) : "memory");
}

/// cp.async.ca: 4 bytes from global to shared memory, without a register and without waiting.
FATHOM_DEVICE void cp_async_4(SmemAddr to, const float* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to.value), "l"(from) : "memory");
}

/// cp.async.mbarrier.arrive.noinc: one arrival once all earlier cp.async of this thread have
/// landed.
FATHOM_DEVICE void cp_async_arrive(SmemAddr barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier.value)
               : "memory");
}

/// cvt.rn.bf16x2.f32: two floats to bf16, `low` in the lower half.
FATHOM_DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

}  // namespace fathom::ptx
