// CTA, named and cluster barriers. PTX layer: one instruction, one function; includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// barrier.sync: named barrier `id` of `threads` threads, a multiple of 32.
FATHOM_DEVICE void barrier_sync(int id, int threads) {
  asm volatile("barrier.sync.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// barrier.sync without .aligned: the same, for warps that come to it in different places of the
/// code (synccheck reports .aligned there).
FATHOM_DEVICE void barrier_sync_unaligned(int id, int threads) {
  asm volatile("barrier.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// barrier.arrive: counts as barrier_sync, for warps that have nothing to wait for.
FATHOM_DEVICE void barrier_arrive(int id, int threads) {
  asm volatile("barrier.arrive.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// barrier.cluster.arrive with release semantics at cluster scope.
FATHOM_DEVICE void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

/// barrier.cluster.arrive that orders nothing by itself: says that this CTA runs, and, behind
/// fence_mbarrier_init, that its barriers exist.
FATHOM_DEVICE void cluster_arrive_relaxed() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}

/// barrier.cluster.wait with acquire semantics.
FATHOM_DEVICE void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

}  // namespace fathom::ptx
