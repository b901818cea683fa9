// device/ptx/tma.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

void prefetch_tensormap(const TensorMap& map);
void tma_prefetch_2d(const TensorMap& map, int x, int y, uint64_t policy);
void tma_load_2d(SmemAddr to, const TensorMap& map, int x, int y, SmemAddr barrier,
                 uint64_t policy);
void tma_load_2d_multicast(SmemAddr to, const TensorMap& map, int x, int y, SmemAddr barrier,
                           uint16_t cta_mask, uint64_t policy);
void tma_store_2d(const TensorMap& map, SmemAddr from, int x, int y);
void tma_add_2d(const TensorMap& map, SmemAddr from, int x, int y);
void bulk_commit_group();
void bulk_wait(int pending);
template <int kPending>
void bulk_wait_group_read() {
  bulk_wait(kPending);
}
void fence_proxy_async();

}  // namespace fathom::ptx
