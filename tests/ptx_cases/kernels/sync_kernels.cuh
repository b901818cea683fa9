// mbarriers, named barriers, grids after one another. Test support.
#pragma once

#include "memory_kernels.cuh"
#include "params.hpp"
#include "ptx/barrier.cuh"
#include "ptx/grid.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"

/// One thread walks a barrier of two arrivals through its phases. `out`: what each look at it said.
extern "C" __global__ void __launch_bounds__(32)
    ptx_mbarrier(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr barrier = ptx::smem_address(smem);
  if (ptx::thread_index() != 0) return;
  int* out = static_cast<int*>(params.out);
  const auto look = [&](uint32_t parity) {
    *out++ = ptx::mbarrier_try_wait_parity(barrier, parity) ? 1 : 0;
  };
  ptx::mbarrier_init(barrier, 2);
  ptx::fence_mbarrier_init();
  look(1);  // the phase before the first counts as over
  ptx::mbarrier_arrive(barrier);
  ptx::mbarrier_arrive(barrier);
  look(0);
  ptx::mbarrier_arrive_expect_tx(barrier, 32);
  ptx::mbarrier_arrive(barrier);
  look(0);  // the second phase waits for its bytes: the first is still the last that ended
  const SmemAddr to = ptx::map_to_cta(barrier + 16, ptx::cluster_rank());
  const SmemAddr mapped = ptx::map_to_cta(barrier, ptx::cluster_rank());
  ptx::store_async_v4(to, {1, 2, 3, 4}, mapped);
  ptx::store_async_v4(to + 16, {5, 6, 7, 8}, mapped);
  ptx_cases::wait_for_phase(barrier, 1);
  look(1);
  *out = static_cast<int>(ptx::load_shared(barrier + 28));
}

/// Two named barriers of 64 threads: each pair of warps exchanges its numbers, three times; then
/// the second hands the first one more and does not wait, and the first the second, where they meet
/// in two branches. `out`: [thread], the sum of what it saw.
extern "C" __global__ void __launch_bounds__(128)
    ptx_named_barriers(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  extern __shared__ __align__(1024) unsigned char smem[];
  const SmemAddr base = ptx::smem_address(smem);
  const int t = ptx::thread_index();
  const int pair = t / 64;
  uint32_t sum = 0;
  for (uint32_t round = 1; round <= 3; ++round) {
    ptx::store_shared_u32(base + t * 4, static_cast<uint32_t>(t) * round);
    ptx::barrier_sync(1 + pair, 64);
    sum += ptx::load_shared_u32(base + (t ^ 32) * 4);
    ptx::barrier_sync(1 + pair, 64);
  }
  if (t % 64 >= 32) {
    ptx::store_shared_u32(base + t * 4, 1000);
    ptx::barrier_arrive(1 + pair, 64);
  } else {
    ptx::barrier_sync(1 + pair, 64);
    sum += ptx::load_shared_u32(base + (t ^ 32) * 4);
  }
  if (t % 64 >= 32) {
    ptx::barrier_sync_unaligned(3 + pair, 64);
    sum += ptx::load_shared_u32(base + (t ^ 32) * 4);
  } else {
    ptx::store_shared_u32(base + t * 4, 10000);
    ptx::barrier_sync_unaligned(3 + pair, 64);
  }
  static_cast<uint32_t*>(params.out)[t] = sum;
}

/// Starts its successor early, then writes; ptx_second_grid has to wait for the write.
extern "C" __global__ void __launch_bounds__(32)
    ptx_first_grid(const __grid_constant__ fathom::ptx_cases::GridParams params) {
  using namespace fathom;
  ptx::wait_for_previous_grid();
  ptx::launch_next_grid();
  if (ptx::thread_index() != 0) return;
  const uint64_t start = ptx::global_timer();
  while (ptx::global_timer() - start < 20000) {  // ns: longer than a launch takes
  }
  ptx::store_global(params.word, *params.word + 1);
}

extern "C" __global__ void __launch_bounds__(32)
    ptx_second_grid(const __grid_constant__ fathom::ptx_cases::GridParams params) {
  using namespace fathom;
  ptx::wait_for_previous_grid();
  if (ptx::thread_index() == 0)
    params.seen[ptx::cta_index()] = *static_cast<volatile uint32_t*>(params.word);
  ptx::launch_next_grid();
}
