// device/ptx/barrier.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

namespace fathom::ptx {

void barrier_sync(int id, int threads);
void barrier_sync_unaligned(int id, int threads);
void barrier_arrive(int id, int threads);
void cluster_arrive();
void cluster_arrive_relaxed();
void cluster_wait();

}  // namespace fathom::ptx
