// Loads and stores of shared and global memory, stmatrix, cp.async, st.async. Test support.
#pragma once

#include "params.hpp"
#include "ptx/barrier.cuh"
#include "ptx/cast.cuh"
#include "ptx/global.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"

namespace fathom::ptx_cases {

FATHOM_DEVICE ptx::Float4 float4_of(const void* in, int i) {
  const float* v = static_cast<const float*>(in) + 4 * i;
  return {v[0], v[1], v[2], v[3]};
}

FATHOM_DEVICE void wait_for_phase(SmemAddr barrier, uint32_t parity) {
  while (!ptx::mbarrier_try_wait_parity(barrier, parity)) {
  }
}

}  // namespace fathom::ptx_cases

/// 128 threads write 2048 bytes of shared memory in three widths and read them in five. `out`,
/// words: [thread][16].
extern "C" __global__ void __launch_bounds__(128)
    ptx_shared(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const int t = ptx::thread_index();
  const ptx::Float4 in = ptx_cases::float4_of(params.in, t);
  uint32_t* out = static_cast<uint32_t*>(params.out) + 16 * t;

  ptx::store_shared_v4(base + t * 16, in);
  ptx::barrier_sync(0, 128);
  out[0] = ptx::bits_of_float(ptx::load_shared(base + t * 7 % 512 * 4));
  const ptx::Float2 two = ptx::load_shared_v2(base + t * 5 % 256 * 8);
  out[1] = ptx::bits_of_float(two.x), out[2] = ptx::bits_of_float(two.y);
  const ptx::Float4 four = ptx::load_shared_v4(base + t * 3 % 128 * 16);
  out[3] = ptx::bits_of_float(four.x), out[4] = ptx::bits_of_float(four.y);
  out[5] = ptx::bits_of_float(four.z), out[6] = ptx::bits_of_float(four.w);
  out[7] = ptx::load_shared_u16(base + t * 11 % 1024 * 2);
  ptx::barrier_sync(0, 128);
  ptx::store_shared_v2(base + (127 - t) * 16, in.y, in.x);
  ptx::store_shared_u32(base + (127 - t) * 16 + 8, ptx::bits_of_float(in.w));
  ptx::barrier_sync(0, 128);
  for (int i = 0; i < 4; ++i) out[8 + i] = ptx::load_shared_u32((base + t * 16) ^ (i * 4));
}

/// One warp stores four 8x8 matrices, then two, to rows in a scattered order. `in`: [lane][4]
/// words. `out`: the 512 bytes of the four, the 256 of the two.
extern "C" __global__ void __launch_bounds__(32)
    ptx_stmatrix(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const int lane = ptx::lane_index();
  const uint32_t* in = static_cast<const uint32_t*>(params.in) + 4 * lane;
  const int row = lane * 5 % 32;
  ptx::stmatrix_x4(base + row * 16, in[0], in[1], in[2], in[3]);
  // The last 16 lanes' addresses are not used.
  ptx::stmatrix_x2(base + 512 + (lane < 16 ? lane * 3 % 16 * 16 : 0), in[3], in[2]);
  ptx::warp_sync();
  uint32_t* out = static_cast<uint32_t*>(params.out);
  for (int i = lane; i < 192; i += 32) out[i] = ptx::load_shared_u32(base + i * 4);
}

/// One warp stores four matrices transposed, then two, to rows in a scattered order. As
/// ptx_stmatrix.
extern "C" __global__ void __launch_bounds__(32)
    ptx_stmatrix_trans(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const int lane = ptx::lane_index();
  const ptx::Word4 in = ptx::load_global_v4(static_cast<const uint32_t*>(params.in) + 4 * lane);
  ptx::store_shared_v4_u32(base + 512 + lane % 16 * 16, {1, 2, 3, 4});
  ptx::warp_sync();
  ptx::stmatrix_x4_trans(base + lane * 5 % 32 * 16, in.x, in.y, in.z, in.w);
  ptx::stmatrix_x2_trans(base + 512 + (lane < 16 ? lane * 3 % 16 * 16 : 0), in.w, in.z);
  ptx::warp_sync();
  uint32_t* out = static_cast<uint32_t*>(params.out);
  for (int i = lane; i < 48; i += 32)
    ptx::store_global_v4(out + 4 * i, ptx::load_shared_v4_u32(base + i * 16));
}

/// One warp. `in`: a word a lane. `out`: [lane][8] words.
extern "C" __global__ void __launch_bounds__(32)
    ptx_warp(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  const int lane = ptx::lane_index();
  const int32_t* in = static_cast<const int32_t*>(params.in);
  int32_t* out = static_cast<int32_t*>(params.out) + 8 * lane;
  ptx::prefetch_l2(in + lane);
  const int32_t value = ptx::load_global_s32(in + lane);
  out[0] = ptx::shuffle(value, lane * 7 % 32);
  out[1] = ptx::shuffle_up(value, 3);
  out[2] = ptx::shuffle_down(value, 5);
  out[3] = static_cast<int32_t>(ptx::ballot(value % 2 != 0));
  out[4] = ptx::population_count(static_cast<uint32_t>(value));
  const int64_t wide = ptx::load_global_s64(reinterpret_cast<const int64_t*>(in) + lane / 2);
  out[5] = static_cast<int32_t>(wide);
  out[6] = static_cast<int32_t>(wide >> 32);
  out[7] = value;
}

/// 64 threads. `in`: [thread][16 bytes]. `out`: [thread][64 bytes]: the item in each width.
extern "C" __global__ void __launch_bounds__(64)
    ptx_global(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  const int t = ptx::thread_index();
  const unsigned char* in = static_cast<const unsigned char*>(params.in) + 16 * t;
  unsigned char* out = static_cast<unsigned char*>(params.out) + 64 * t;
  const ptx::Word4 v = ptx::load_global_v4(in);
  ptx::store_global_v2(out, {v.x, v.y});
  ptx::store_global_v2(out + 8, {v.z, v.w});
  for (int i = 0; i < 4; ++i)
    ptx::store_global_u32(out + 16 + 4 * i, ptx::load_global_u32(in + 4 * i));
  for (int i = 0; i < 4; ++i)
    ptx::store_global_u16(out + 32 + 2 * i, ptx::load_global_u16(in + 2 * i));
  for (int i = 0; i < 4; ++i) ptx::store_global_u8(out + 40 + i, ptx::load_global_u8(in + i));
  ptx::store_global(reinterpret_cast<float*>(out + 44),
                    ptx::load_global(reinterpret_cast<const float*>(in) + 3));
  ptx::store_global(reinterpret_cast<uint32_t*>(out + 48), v.y);
  ptx::store_global(reinterpret_cast<uint16_t*>(out + 52), static_cast<uint16_t>(v.z));
}

/// One warp copies 96 words to shared memory in reverse, without waiting. `out`: those words.
extern "C" __global__ void __launch_bounds__(32)
    ptx_cp_async(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const SmemAddr barrier = base + 96 * 4;
  const int lane = ptx::lane_index();
  if (lane == 0) {
    ptx::mbarrier_init(barrier, 32);
    ptx::fence_mbarrier_init();
  }
  ptx::warp_sync();
  const float* in = static_cast<const float*>(params.in);
  for (int i = lane; i < 96; i += 32) ptx::cp_async_4(base + (95 - i) * 4, in + i);
  ptx::cp_async_arrive(barrier);
  ptx_cases::wait_for_phase(barrier, 0);
  for (int i = lane; i < 96; i += 32)
    static_cast<uint32_t*>(params.out)[i] = ptx::load_shared_u32(base + i * 4);
}

/// Clusters of four CTAs of 64 threads: each pushes its items to the next CTA of the cluster, and
/// arrives at every CTA's second barrier. `in`, `out`: [CTA][thread][16 bytes].
extern "C" __global__ void __launch_bounds__(64)
    ptx_cluster_push(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const SmemAddr arrived = base + 1024, greeted = base + 1032;
  const int t = ptx::thread_index();
  const int item = ptx::cta_index() * 64 + t;
  if (t == 0) {
    ptx::mbarrier_init(arrived, 1);
    ptx::mbarrier_init(greeted, 4);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_tx(arrived, 64 * 16);
  }
  ptx::warp_sync();
  ptx::cluster_arrive();
  ptx::cluster_wait();
  const int next = (ptx::cluster_rank() + 1) % 4;
  ptx::store_async_v4(ptx::map_to_cta(base + t * 16, next), ptx_cases::float4_of(params.in, item),
                      ptx::map_to_cta(arrived, next));
  if (t < 4) ptx::mbarrier_arrive_cluster(ptx::map_to_cta(greeted, t));
  ptx_cases::wait_for_phase(arrived, 0);
  ptx_cases::wait_for_phase(greeted, 0);
  for (int i = 0; i < 4; ++i)
    static_cast<uint32_t*>(params.out)[4 * item + i] = ptx::load_shared_u32(base + t * 16 + i * 4);
  ptx::warp_sync();
  ptx::cluster_arrive_relaxed();
  ptx::cluster_wait();
}
