// Boxes between global and shared memory. Test support.
#pragma once

#include "memory_kernels.cuh"
#include "params.hpp"
#include "ptx/barrier.cuh"
#include "ptx/global.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"

namespace fathom::ptx_cases {

inline constexpr uint32_t kUntouched = 0xcdcdcdcd;
inline constexpr uint64_t kNormalPolicy = 0x1000000000000000;  // createpolicy, evict_normal

/// Fills `bytes` of shared memory with what a load must overwrite, twice, and makes the barrier.
FATHOM_DEVICE void prepare(SmemAddr base, SmemAddr barrier, int bytes) {
  for (int i = ptx::thread_index() * 4; i < 2 * bytes; i += 128)
    ptx::store_shared_u32(base + i, kUntouched);
  ptx::fence_proxy_async();
  if (ptx::thread_index() == 0) {
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
  }
  ptx::warp_sync();
}

FATHOM_DEVICE void copy_out(const TmaParams& params, SmemAddr base) {
  const int words = params.bytes / 2;
  for (int i = ptx::thread_index(); i < words; i += 32)
    params.out[ptx::cta_index() * words + i] = ptx::load_shared_u32(base + i * 4);
}

}  // namespace fathom::ptx_cases

/// One warp loads the box at (x, y), after hints that change nothing. The barrier follows the
/// memory behind the box.
extern "C" __global__ void __launch_bounds__(32)
    ptx_tma_load(const __grid_constant__ fathom::ptx_cases::TmaParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const SmemAddr barrier = base + 2 * params.bytes;
  ptx_cases::prepare(base, barrier, params.bytes);
  if (ptx::thread_index() == 0) {
    ptx::prefetch_tensormap(params.map);
    ptx::tma_prefetch_2d(params.map, params.x, params.y, ptx_cases::kNormalPolicy);
    ptx::mbarrier_arrive_expect_tx(barrier, params.bytes);
    ptx::tma_load_2d(base, params.map, params.x, params.y, barrier, ptx_cases::kNormalPolicy);
  }
  ptx_cases::wait_for_phase(barrier, 0);
  ptx_cases::copy_out(params, base);
}

/// A pair of CTAs: each loads its box, one below the other, for both.
extern "C" __global__ void __launch_bounds__(32)
    ptx_tma_multicast(const __grid_constant__ fathom::ptx_cases::TmaParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const SmemAddr barrier = base + 2 * params.bytes;
  ptx_cases::prepare(base, barrier, params.bytes);
  ptx::cluster_arrive();
  ptx::cluster_wait();
  const int rank = ptx::cluster_rank();
  if (ptx::thread_index() == 0) {
    ptx::mbarrier_arrive_expect_tx(barrier, 2 * params.bytes);
    ptx::tma_load_2d_multicast(base + rank * params.bytes, params.map, params.x,
                               params.y + rank * 8, barrier, 3, ptx_cases::kNormalPolicy);
  }
  ptx_cases::wait_for_phase(barrier, 0);
  ptx_cases::copy_out(params, base);
  ptx::cluster_arrive();
  ptx::cluster_wait();
}

/// One warp stores (or adds) the box at (x, y) from shared memory, in two groups: a second box, of
/// the same bytes, goes `step` columns to the right.
extern "C" __global__ void __launch_bounds__(32)
    ptx_tma_store(const __grid_constant__ fathom::ptx_cases::TmaParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  for (int i = ptx::thread_index(); i < params.bytes / 4; i += 32)
    ptx::store_shared_u32(base + i * 4, ptx::load_global_u32(params.in + i));
  ptx::fence_proxy_async();
  ptx::warp_sync();
  if (ptx::thread_index() != 0) return;
  for (int box = 0; box < 2; ++box) {
    const int x = params.x + box * params.step;
    if (params.add != 0)
      ptx::tma_add_2d(params.map, base, x, params.y);
    else
      ptx::tma_store_2d(params.map, base, x, params.y);
    ptx::bulk_commit_group();
  }
  ptx::bulk_wait_group_read<1>();
  ptx::bulk_wait_group_read<0>();
}
