// One block of 128 of k on the tensor core, for each width. Test support.
#pragma once

#include "params.hpp"
#include "ptx/barrier.cuh"
#include "ptx/global.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"
#include "ptx/wgmma.cuh"
#include "ptx/wgmma_e4m3.cuh"
#include "tile/descriptor.cuh"
#include "tile/swizzle.hpp"

namespace fathom::ptx_cases {

template <int kN>
FATHOM_DEVICE void multiply(const WgmmaParams& params, unsigned char* dynamic_smem) {
  const SmemAddr a = ptx::smem_address(dynamic_smem);
  const SmemAddr b = a + 64 * 128;
  const int t = ptx::thread_index();
  for (int i = t; i < 64 * 32; i += 128)
    ptx::store_shared_u32(a + tile::swizzled(i * 4, 128), params.a[i]);
  for (int i = t; i < kN * 32; i += 128)
    ptx::store_shared_u32(b + tile::swizzled(i * 4, 128), params.b[i]);
  ptx::fence_proxy_async();
  ptx::barrier_sync(0, 128);

  float d[kN / 2];
#pragma unroll
  for (float& x : d) ptx::pin_accumulator(x = 1.0f);  // which the first product must not see
  const tile::OperandTile at_a = tile::OperandTile::at(a), at_b = tile::OperandTile::at(b);
  const uint64_t of_a[4] = {at_a.descriptor(), (at_a + 32).descriptor(), (at_a + 64).descriptor(),
                            (at_a + 96).descriptor()};
  const uint64_t of_b[4] = {at_b.descriptor(), (at_b + 32).descriptor(), (at_b + 64).descriptor(),
                            (at_b + 96).descriptor()};
  ptx::wgmma_fence();
  ptx::WgmmaE4m3<kN>::mma(d, of_a, of_b);
  ptx::wgmma_commit_group();
#pragma unroll
  for (float& x : d) ptx::pin_accumulator(x);
  ptx::wgmma_wait_group<0>();
#pragma unroll
  for (float& x : d) ptx::pin_accumulator(x);

  const int row = t / 32 * 16 + t % 32 / 4, col = t % 4 * 2;
#pragma unroll
  for (int i = 0; i < kN / 2; ++i)
    ptx::store_global(params.d + (row + i % 4 / 2 * 8) * kN + i / 4 * 8 + col + i % 2, d[i]);
}

}  // namespace fathom::ptx_cases

#define FATHOM_WGMMA_KERNEL(N)                                                       \
  extern "C" __global__ void __launch_bounds__(128)                                  \
      ptx_wgmma_##N(const __grid_constant__ fathom::ptx_cases::WgmmaParams params) { \
    extern __shared__ __align__(1024) unsigned char smem[];                          \
    fathom::ptx_cases::multiply<N>(params, smem);                                    \
  }

// clang-format breaks these lines anew at each run.
// clang-format off
#define FATHOM_WGMMA_WIDTHS(DO) \
  DO(8) DO(16) DO(24) DO(32) DO(40) DO(48) DO(56) DO(64) \
  DO(72) DO(80) DO(88) DO(96) DO(104) DO(112) DO(120) DO(128) \
  DO(136) DO(144) DO(152) DO(160) DO(168) DO(176) DO(184) DO(192) \
  DO(200) DO(208) DO(216) DO(224) DO(232) DO(240) DO(248) DO(256)
// clang-format on
FATHOM_WGMMA_WIDTHS(FATHOM_WGMMA_KERNEL)
