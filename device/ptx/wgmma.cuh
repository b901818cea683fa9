// Warpgroup matrix multiply: ordering. The products themselves are in wgmma_e4m3.cuh (generated).
// PTX layer: one instruction, one function; includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// wgmma.fence: registers written before may be read or written by the wgmma that follow.
FATHOM_DEVICE void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/// wgmma.commit_group
FATHOM_DEVICE void wgmma_commit_group() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// wgmma.wait_group: at most `kPending` groups are still running.
template <int kPending>
FATHOM_DEVICE void wgmma_wait_group() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

/// No instruction: pins an accumulator register here, so that the compiler moves no access across a
/// fence or a wait.
FATHOM_DEVICE void pin_accumulator(float& value) {
  asm volatile("" : "+f"(value)::"memory");
}

}  // namespace fathom::ptx
