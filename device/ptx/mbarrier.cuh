// mbarrier: phases, arrivals, transaction bytes. PTX layer: one instruction, one function; includes
// only base/. The default forms (release/acquire at CTA scope) are used on purpose, also between
// the CTAs of a cluster: cluster-scope forms cost 1.5 to 2 times the kernel, and wgmma reads are
// over when wait_group returns.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

/// mbarrier.init: a phase ends after `arrivals` arrivals and when all expected bytes have come.
FATHOM_DEVICE void mbarrier_init(SmemAddr barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier.value), "r"(arrivals)
               : "memory");
}

/// fence.mbarrier_init: makes inits visible to the cluster and to TMA, before a barrier that others
/// wait on.
FATHOM_DEVICE void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/// mbarrier.arrive on this CTA's barrier.
FATHOM_DEVICE void mbarrier_arrive(SmemAddr barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier.value) : "memory");
}

/// mbarrier.arrive on a barrier of any CTA of the cluster; `barrier` comes from map_to_cta.
FATHOM_DEVICE void mbarrier_arrive_cluster(SmemAddr barrier) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier.value) : "memory");
}

/// mbarrier.arrive.expect_tx: one arrival, and `bytes` more to come in this phase.
FATHOM_DEVICE void mbarrier_arrive_expect_tx(SmemAddr barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier.value),
               "r"(bytes)
               : "memory");
}

/// mbarrier.try_wait.parity: true once the phase of this parity has ended; may suspend the thread
/// for a while.
FATHOM_DEVICE bool mbarrier_try_wait_parity(SmemAddr barrier, uint32_t parity) {
  uint32_t done;
  asm volatile(
      "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; "
      "}"
      : "=r"(done)
      : "r"(barrier.value), "r"(parity)
      : "memory");
  return done != 0;
}

/// mapa: the address, in the cluster window, of the same place in CTA `rank`'s shared memory.
FATHOM_DEVICE SmemAddr map_to_cta(SmemAddr address, int rank) {
  SmemAddr mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped.value) : "r"(address.value), "r"(rank));
  return mapped;
}

}  // namespace fathom::ptx
