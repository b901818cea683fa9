// Who am I: thread, warp, CTA and cluster registers, votes, shuffles, register budget. PTX layer:
// one instruction, one function; includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// %tid.x
FATHOM_DEVICE int thread_index() {
  return static_cast<int>(threadIdx.x);
}

/// %laneid
FATHOM_DEVICE int lane_index() {
  uint32_t lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return static_cast<int>(lane);
}

/// %ctaid.x
FATHOM_DEVICE int cta_index() {
  return static_cast<int>(blockIdx.x);
}

/// %nctaid.x
FATHOM_DEVICE int num_ctas() {
  return static_cast<int>(gridDim.x);
}

/// %cluster_ctarank
FATHOM_DEVICE int cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}

/// shfl.sync.idx: the value that lane 0 holds. Tells the compiler that a value is the same in the
/// whole warp.
FATHOM_DEVICE int warp_uniform(int value) {
  return __shfl_sync(0xffffffffu, value, 0);
}

/// shfl.sync.idx, .up and .down: the value of lane `lane`, of the lane `delta` below or above; a
/// lane without such a neighbour keeps its own. All lanes take part.
FATHOM_DEVICE int shuffle(int value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
FATHOM_DEVICE int shuffle_up(int value, int delta) {
  return __shfl_up_sync(0xffffffffu, value, static_cast<unsigned>(delta));
}
FATHOM_DEVICE int shuffle_down(int value, int delta) {
  return __shfl_down_sync(0xffffffffu, value, static_cast<unsigned>(delta));
}

/// vote.sync.ballot: bit l is what lane l says. All lanes take part.
FATHOM_DEVICE uint32_t ballot(bool said) {
  return __ballot_sync(0xffffffffu, said);
}

/// popc.b32
FATHOM_DEVICE int population_count(uint32_t bits) {
  return __popc(bits);
}

/// elect.sync: true in one lane of the warp, which must be converged.
FATHOM_DEVICE bool elect_one() {
  uint32_t elected;
  asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.u32 %0, 1, 0, p; }"
               : "=r"(elected));
  return elected != 0;
}

/// bar.warp.sync: converge the warp, for instructions with .aligned.
FATHOM_DEVICE void warp_sync() {
  asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
}

/// setmaxnreg.inc: blocks until the launch-time pool of the CTA can give this warpgroup
/// `kRegisters` per thread.
template <int kRegisters>
FATHOM_DEVICE void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// setmaxnreg.dec: gives registers of this warpgroup back to the pool.
template <int kRegisters>
FATHOM_DEVICE void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// %globaltimer: nanoseconds.
FATHOM_DEVICE uint64_t global_timer() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

/// trap: ends the grid with an error.
FATHOM_DEVICE void trap() {
  asm volatile("trap;");
}

/// No instruction: hides how a value was computed, so that ptxas keeps it in a register instead of
/// rebuilding it in loops.
template <typename T>
FATHOM_DEVICE void make_opaque(T& value) {
  if constexpr (sizeof(T) == 8)
    asm volatile("" : "+l"(value));
  else
    asm volatile("" : "+r"(value));
}

}  // namespace fathom::ptx
