// device/ptx/wgmma.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

namespace fathom::ptx {

void wgmma_fence();
void wgmma_commit_group();
void wgmma_wait(int pending);
template <int kPending>
void wgmma_wait_group() {
  wgmma_wait(kPending);
}
/// Nothing: the accumulators' addresses are known to wgmma, so the host's compiler keeps them in
/// memory and moves no access across a wait.
inline void pin_accumulator(float&) {}

}  // namespace fathom::ptx
