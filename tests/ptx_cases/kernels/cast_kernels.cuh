// Conversions, shuffles, identities. Test support.
#pragma once

#include "params.hpp"
#include "ptx/cast.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/wgmma.cuh"

extern "C" __global__ void __launch_bounds__(128)
    ptx_casts(const __grid_constant__ fathom::ptx_cases::CastParams params) {
  using namespace fathom;
  const int i = ptx::cta_index() * 128 + ptx::thread_index();
  const uint32_t x = params.a[i];
  const uint32_t y = params.b[i];
  const float a = ptx::float_of_bits(x);
  const float b = ptx::float_of_bits(y);
  uint32_t opaque = x;
  ptx::make_opaque(opaque);
  float pinned = b;
  ptx::pin_accumulator(pinned);
  const uint32_t results[ptx_cases::kCastOutputs] = {ptx::bits_of_float(ptx::divide(a, b)),
                                                     ptx::bits_of_float(ptx::multiply(a, b)),
                                                     ptx::bits_of_float(ptx::max_number(a, b)),
                                                     ptx::bits_of_float(ptx::absolute(a)),
                                                     ptx::bits_of_float(a),
                                                     ptx::bits_of_float(ptx::float_of_fp16(x)),
                                                     ptx::pack_e4m3(a, b),
                                                     ptx::fp16_of_e4m3(x),
                                                     ptx::pack_bf16(a, b),
                                                     ptx::bits_of_float(ptx::shuffle_xor(a, 5)),
                                                     opaque,
                                                     ptx::bits_of_float(pinned)};
  for (int j = 0; j < ptx_cases::kCastOutputs; ++j)
    params.out[i * ptx_cases::kCastOutputs + j] = results[j];
}

/// 96 threads, clusters of two.
extern "C" __global__ void __launch_bounds__(96)
    ptx_threads(const __grid_constant__ fathom::ptx_cases::ThreadParams params) {
  using namespace fathom;
  const uint64_t before = ptx::global_timer();
  const int thread = ptx::thread_index();
  ptx_cases::ThreadFacts facts{};
  facts.thread = thread;
  facts.lane = ptx::lane_index();
  facts.cta = ptx::cta_index();
  facts.ctas = ptx::num_ctas();
  facts.rank = ptx::cluster_rank();
  facts.uniform = ptx::warp_uniform(thread + 100);
  facts.elected = ptx::elect_one() ? 1 : 0;
  ptx::warp_sync();
  facts.time_passes = ptx::global_timer() >= before ? 1 : 0;
  params.out[ptx::cta_index() * 96 + thread] = facts;
}

/// 384 threads: the last warpgroup gives registers to the two others. `out`: the threads' numbers.
extern "C" __global__ void __launch_bounds__(384, 1)
    ptx_registers(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  using namespace fathom;
  const int thread = ptx::thread_index();
  if (ptx::warp_uniform(thread / 128) == 2)
    ptx::setmaxnreg_dec<40>();
  else
    ptx::setmaxnreg_inc<232>();
  static_cast<int*>(params.out)[thread] = thread;
}

/// Ends the grid with an error.
extern "C" __global__ void __launch_bounds__(32)
    ptx_trap(const __grid_constant__ fathom::ptx_cases::CopyParams params) {
  if (static_cast<const int*>(params.in)[fathom::ptx::thread_index()] == 7) fathom::ptx::trap();
}
