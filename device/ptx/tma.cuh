// The tensor copy engine (TMA): tensor loads, multicast, stores, reductions, bulk groups. PTX
// layer: one instruction, one function; includes only base/. One thread issues; x is the contiguous
// coordinate.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

/// prefetch.tensormap: warm the descriptor before its first use.
FATHOM_DEVICE void prefetch_tensormap(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

/// cp.async.bulk.prefetch.tensor.2d: one box into L2, where a later load finds it.
FATHOM_DEVICE void tma_prefetch_2d(const TensorMap& map, int x, int y, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.prefetch.tensor.2d.L2.global.tile.L2::cache_hint [%0, {%1, %2}], %3;" ::"l"(
          &map),
      "r"(x), "r"(y), "l"(policy)
      : "memory");
}

/// cp.async.bulk.tensor.2d load of one box; its bytes complete on `barrier`. `policy` is a
/// createpolicy word.
FATHOM_DEVICE void tma_load_2d(SmemAddr to, const TensorMap& map, int x, int y, SmemAddr barrier,
                               uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(to.value),
      "l"(&map), "r"(x), "r"(y), "r"(barrier.value), "l"(policy)
      : "memory");
}

/// The same into every CTA of `cta_mask`, at the same offset, each completing on its own barrier.
FATHOM_DEVICE void tma_load_2d_multicast(SmemAddr to, const TensorMap& map, int x, int y,
                                         SmemAddr barrier, uint16_t cta_mask, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      ".multicast::cluster.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5, %6;" ::"r"(to.value),
      "l"(&map), "r"(x), "r"(y), "r"(barrier.value), "h"(cta_mask), "l"(policy)
      : "memory");
}

/// cp.async.bulk.tensor.2d store of one box, clipped at the tensor's edge, in the thread's current
/// bulk group.
FATHOM_DEVICE void tma_store_2d(const TensorMap& map, SmemAddr from, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(
          &map),
      "r"(from.value), "r"(x), "r"(y)
      : "memory");
}

/// cp.reduce.async.bulk.tensor.2d .add: the tensor's elements become themselves plus the box, one
/// rounding each.
FATHOM_DEVICE void tma_add_2d(const TensorMap& map, SmemAddr from, int x, int y) {
  asm volatile(
      "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%0, {%2, %3}], "
      "[%1];" ::"l"(&map),
      "r"(from.value), "r"(x), "r"(y)
      : "memory");
}

/// cp.async.bulk.commit_group
FATHOM_DEVICE void bulk_commit_group() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/// cp.async.bulk.wait_group.read: at most `kPending` of this thread's groups still read shared
/// memory.
template <int kPending>
FATHOM_DEVICE void bulk_wait_group_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}

/// fence.proxy.async: this thread's plain writes to shared memory come before later TMA and wgmma
/// reads of it.
FATHOM_DEVICE void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace fathom::ptx
