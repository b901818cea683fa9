// device/ptx/mbarrier.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx {

void mbarrier_init(SmemAddr barrier, int arrivals);
void fence_mbarrier_init();
void mbarrier_arrive(SmemAddr barrier);
void mbarrier_arrive_cluster(SmemAddr barrier);
void mbarrier_arrive_expect_tx(SmemAddr barrier, int bytes);
bool mbarrier_try_wait_parity(SmemAddr barrier, uint32_t parity);
SmemAddr map_to_cta(SmemAddr address, int rank);

}  // namespace fathom::ptx
