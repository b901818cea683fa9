// The full/empty ring between loading and math warps. Sync layer: includes base/ and ptx/.
//
//   loader   acquire(stage)  wait until every reader has released it
//            expect(stage, bytes), then loads that complete on full(stage)
//   math     await(stage)    wait until the bytes have arrived
//            release(stage)  one arrival per warp, in every CTA whose loads write this stage
//
// A fresh barrier passes a wait on parity 1: the loader waits with phase ^ 1 and its first lap does
// not block.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"
#include "ptx/mbarrier.cuh"
#include "ptx/thread.cuh"
#include "sync/ring_state.hpp"
#include "sync/wait_report.hpp"

namespace fathom::sync {

inline constexpr uint64_t kWaitLimitNs =
    2000000000;  // far above any kernel, far below a human's patience

template <bool kBounded>
struct Waiter {
  WaitReport* report = nullptr;

  FATHOM_DEVICE void wait(SmemAddr barrier, uint32_t parity, BarrierName name, int stage) const {
    if constexpr (kBounded) {
      const uint64_t start = ptx::global_timer();
      while (!ptx::mbarrier_try_wait_parity(barrier, parity)) {
        if (ptx::global_timer() - start < kWaitLimitNs) continue;
        if (report != nullptr && report->barrier == 0)
          *report = {static_cast<uint32_t>(name), static_cast<uint32_t>(stage), parity,
                     static_cast<uint32_t>(ptx::cta_index()),
                     static_cast<uint32_t>(ptx::thread_index())};
        ptx::trap();
      }
    } else {
      while (!ptx::mbarrier_try_wait_parity(barrier, parity)) {
      }
    }
  }
};

/// kStages full and empty barriers, 8 bytes each.
template <int kStages, bool kBounded>
struct Ring {
  SmemAddr full_barriers, empty_barriers;
  Waiter<kBounded> waiter;

  FATHOM_DEVICE SmemAddr full(int stage) const { return full_barriers + stage * 8; }
  FATHOM_DEVICE SmemAddr empty(int stage) const { return empty_barriers + stage * 8; }

  /// One thread: mbarrier.init runs on the uniform datapath, so that lanes would take turns anyway.
  FATHOM_DEVICE void init(int full_arrivals, int empty_arrivals) const {
    init_full(full_arrivals);
    init_empty(empty_arrivals);
  }
  FATHOM_DEVICE void init_full(int arrivals) const {
    for (int stage = 0; stage < kStages; ++stage) ptx::mbarrier_init(full(stage), arrivals);
  }
  FATHOM_DEVICE void init_empty(int arrivals) const {
    for (int stage = 0; stage < kStages; ++stage) ptx::mbarrier_init(empty(stage), arrivals);
  }
  FATHOM_DEVICE void acquire(int stage, uint32_t phase) const {
    waiter.wait(empty(stage), phase ^ 1, BarrierName::kEmpty, stage);
  }
  FATHOM_DEVICE void expect(int stage, int bytes) const {
    ptx::mbarrier_arrive_expect_tx(full(stage), bytes);
  }
  FATHOM_DEVICE void await(int stage, uint32_t phase) const {
    waiter.wait(full(stage), phase, BarrierName::kFull, stage);
  }
};

/// Walks over the next `count` stages of a ring: the first, and what does not fill laps, by
/// single(stage, phase, first); the rest by in_lap(stage, phase), unrolled, so that stage numbers
/// become constants and addresses immediates: the loop that matters has nothing to compute.
///
///   count = 12, 4 stages:  single 0 | in_lap 1 2 3 0 1 2 3 0 1 2 3
///
/// That the first is single keeps whatever only happens there out of that loop: with a branch to
/// it inside, ptxas moved the descriptors of the whole loop off the uniform datapath.
template <int kStages, typename Single, typename InLap>
FATHOM_DEVICE void walk_ring(RingState& at, int count, const Single& single, const InLap& in_lap) {
  bool first = true;
#pragma unroll 1
  while (count > 0) {
    single(at.stage, at.phase, first);
    first = false;
    at.advance(kStages);
    --count;
    if (at.stage != 1 || count < kStages - 1) continue;
#pragma unroll 1
    while (true) {
#pragma unroll
      for (int stage = 1; stage < kStages; ++stage) in_lap(stage, at.phase);
      at.phase ^= 1;
      count -= kStages - 1;
      if (count < kStages) break;
      in_lap(0, at.phase);
      --count;
    }
    at.stage = 0;
  }
}

/// walk_ring where count fills whole laps: nothing but first(phase), for stage 0, and the rest by
/// in_lap. There is no general copy of the body, which costs 0.07 us a tile (bench/journal.md).
template <int kStages, typename First, typename InLap>
FATHOM_DEVICE void walk_ring_laps(RingState& at, int count, const First& first,
                                  const InLap& in_lap) {
  first(at.phase);
#pragma unroll 1
  while (true) {
#pragma unroll
    for (int stage = 1; stage < kStages; ++stage) in_lap(stage, at.phase);
    at.phase ^= 1;
    count -= kStages;
    if (count <= 0) break;
    in_lap(0, at.phase);
  }
}

/// Walks once over a ring of `count` stages, 1 to kStages: each(stage, phase), all unrolled. The
/// first is not asked for: a branch ahead of a tile's first block costs 2 % at k = 512.
template <int kStages, typename Each>
FATHOM_DEVICE void walk_ring_once(RingState& at, int count, const Each& each) {
#pragma unroll
  for (int stage = 0; stage < kStages; ++stage) {
    if (stage > 0 && stage == count) break;
    each(stage, at.phase);
  }
  at.phase ^= 1;
}

/// Named barriers of a CTA. 0 is the CTA's own (bar.sync 0).
enum class NamedBarrier : int { kCta = 0, kWarpgroup0 = 2 };  // kWarpgroup0 + index: one warpgroup

}  // namespace fathom::sync
