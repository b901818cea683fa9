// Adds up the sums of the parts of k (warpgroups of a CTA, CTAs of a cluster) and stores D. Device
// layer of the gemm family.
//
// The 8-column groups of a tile are dealt to the parts. Every part pushes the groups it does not
// own into the owner's shared memory; the owner adds them to its own in the order of the parts and
// stores the group straight from registers. Across a cluster the push is st.async: the data
// completes bytes on the owner's barrier, so no fence and no cluster barrier is in the path. Inside
// one CTA it is a plain store, and each warp arrives when it has pushed.
//
//   part 0   [own | push -> 1 | push -> 2 ]          owner 0 adds group 0 of parts 0, 1, 2
//   part 1   [push -> 0 | own | push -> 2 ]          owner 1 adds group 1 ...
//   part 2   [push -> 0 | push -> 1 | own ]
#pragma once

#include "gemm/config.hpp"
#include "gemm/direct_store.cuh"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/smem.hpp"
#include "ptx/barrier.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "tile/accumulator.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct SplitReduction {
  using Sums = tile::Accumulator<kConfig.block_n>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kSlices = kConfig.block_m / kWgmmaM;
  static constexpr int kTurns = kConfig.k_warpgroups();
  static constexpr int kParts = kConfig.k_parts();
  static constexpr int kGroups = Sums::kGroups;
  static constexpr int kSlots = partial_slots(kConfig);      // groups per owner
  static constexpr int kOwners = ceil_div(kGroups, kSlots);  // parts that own any
  static constexpr int kPushBytes = kWarpgroupThreads * 16;  // one group of one warpgroup
  static constexpr bool kAcrossCtas = kConfig.split_k > 1;

  const Params& params;
  SmemAddr smem;
  sync::Waiter<kConfig.bounded_waits> waiter;
  int slice;   // which 64 rows
  int part;    // cluster rank * kTurns + turn
  int thread;  // in the warpgroup
  uint32_t phase = 0;

  /// The barriers of this CTA. One thread.
  FATHOM_DEVICE static void init(SmemAddr smem, int cluster_rank) {
    for (int warpgroup = 0; warpgroup < kConfig.math_warpgroups; ++warpgroup) {
      const int part = cluster_rank * kTurns + warpgroup / kSlices;
      ptx::mbarrier_init(smem + kPlan.partials_full_barriers + warpgroup * 8,
                         kAcrossCtas ? 1 : (kParts - 1) * 4);
      ptx::mbarrier_init(smem + kPlan.partials_empty_barriers + warpgroup * 8,
                         max_of(1, part < kOwners ? kOwners - 1 : kOwners));
    }
  }

  /// `first` / `last`: of the tiles of this cluster; all its CTAs have equally many.
  FATHOM_DEVICE void run(const Sums& sums, const Tile& tile, bool first, bool last) {
    if (kAcrossCtas && part < kOwners && thread == 0)
      ptx::mbarrier_arrive_expect_tx(full_of(part), (kParts - 1) * owned_groups() * kPushBytes);
    if (!first) waiter.wait(empty_of(part), phase ^ 1, sync::BarrierName::kPartialsEmpty, part);
#pragma unroll
    for (int group = 0; group < kGroups; ++group)
      if (group / kSlots != part) push(sums, group);
    if constexpr (!kAcrossCtas) tell_owners();
    if (part < kOwners) {
      ptx::Float4 own[kSlots];
      take_own(sums, own);
      const DirectStore<kConfig> d(params,
                                   tile.row + slice * 64 + thread / 32 * 16 + thread % 32 / 4,
                                   tile.row_end, tile.col + part * kSlots * 8 + thread % 4 * 2);
      waiter.wait(full_of(part), phase, sync::BarrierName::kPartialsFull, part);
#pragma unroll
      for (int slot = 0; slot < kSlots; ++slot)
        if (part * kSlots + slot < kGroups) d.store(slot, add_partials(own[slot], slot));
      if (!last) hand_back();
    }
    phase ^= 1;
  }

 private:
  FATHOM_DEVICE int owned_groups() const {
    return min_of(kSlots, kGroups - part * kSlots);
  }
  /// Barriers in the CTA of that part, by their address there.
  FATHOM_DEVICE SmemAddr full_of(int p) const {
    return smem + kPlan.partials_full_barriers + (p % kTurns * kSlices + slice) * 8;
  }
  FATHOM_DEVICE SmemAddr empty_of(int p) const {
    return smem + kPlan.partials_empty_barriers + (p % kTurns * kSlices + slice) * 8;
  }
  /// Where `owner` keeps what `sender` pushed of a group: [turn of the owner][other
  /// part][slot][slice].
  FATHOM_DEVICE SmemAddr partial(int owner, int sender, int group) const {
    const int other = sender < owner ? sender : sender - 1;
    const int slot = (owner % kTurns * (kParts - 1) + other) * kSlots + group % kSlots;
    return smem + kPlan.partials + (slot * kSlices + slice) * kPushBytes + thread * 16;
  }

  FATHOM_DEVICE void push(const Sums& sums, int group) const {
    const int owner = group / kSlots;
    const ptx::Float4 pushed = group_of(sums, group);
    const SmemAddr to = partial(owner, part, group);
    if constexpr (kAcrossCtas)
      ptx::store_async_v4(ptx::map_to_cta(to, owner / kTurns), pushed,
                          ptx::map_to_cta(full_of(owner), owner / kTurns));
    else
      ptx::store_shared_v4(to, pushed);
  }

  /// This warp has pushed all that the other warpgroups of its CTA own. One arrival a warp: those
  /// of its lanes on one barrier would take turns.
  FATHOM_DEVICE void tell_owners() const {
    ptx::warp_sync();
    if (ptx::lane_index() != 0) return;
#pragma unroll
    for (int owner = 0; owner < kOwners; ++owner)
      if (owner != part) ptx::mbarrier_arrive(full_of(owner));
  }

  FATHOM_DEVICE static ptx::Float4 group_of(const Sums& sums, int group) {
    const float* v = sums.v + 4 * group;
    return {v[0], v[1], v[2], v[3]};
  }

  FATHOM_DEVICE void take_own(const Sums& sums, ptx::Float4 (&own)[kSlots]) const {
#pragma unroll
    for (int group = 0; group < kGroups; ++group)
      if (group < kSlots || group / kSlots == part) own[group % kSlots] = group_of(sums, group);
  }

  /// The sum over all parts, in their order, of the owned group in `slot`.
  FATHOM_DEVICE ptx::Float4 add_partials(const ptx::Float4& own, int slot) const {
    ptx::Float4 pushed[kParts - 1];
#pragma unroll
    for (int other = 0; other < kParts - 1; ++other)
      pushed[other] = ptx::load_shared_v4(partial(part, other < part ? other : other + 1, slot));
    if constexpr (kParts == 2) return sum_of(own, pushed[0]);  // either way round
    ptx::Float4 total = part == 0 ? own : pushed[0];
#pragma unroll
    for (int p = 1; p < kParts; ++p)
      total = sum_of(total, p == part  ? own
                            : p < part ? pushed[min_of(p, kParts - 2)]
                                       : pushed[p - 1]);
    return total;
  }

  FATHOM_DEVICE static ptx::Float4 sum_of(const ptx::Float4& a, const ptx::Float4& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
  }

  /// Tells every part that this owner has read what it pushed.
  FATHOM_DEVICE void hand_back() const {
    ptx::barrier_sync(
        static_cast<int>(sync::NamedBarrier::kWarpgroup0) + part % kTurns * kSlices + slice,
        kWarpgroupThreads);
    if (thread >= kParts || thread == part) return;
    if constexpr (kAcrossCtas)
      ptx::mbarrier_arrive_cluster(ptx::map_to_cta(empty_of(thread), thread / kTurns));
    else
      ptx::mbarrier_arrive(empty_of(thread));
  }
};

}  // namespace fathom::device::gemm
