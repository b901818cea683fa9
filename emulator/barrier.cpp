// Named barriers, the cluster barrier, who a thread is, the grid before. Emulator layer, inside.
#include "emulator/ptx/barrier.cuh"

#include <fmt/format.h>

#include "emulator/cluster.hpp"
#include "emulator/ptx/grid.cuh"
#include "emulator/ptx/thread.cuh"

namespace fathom::ptx {

using emulator::Cluster;
using emulator::FindingKind;
using emulator::self;
using emulator::Thread;
using emulator::Wait;

namespace {

/// One thread's arrival. Returns the generation that it belongs to: over once the barrier's has
/// moved on.
std::uint32_t arrive(Thread& thread, int id, int threads, const char* instruction) {
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  if (id < 0 || id > 15 || threads < 32 || threads % 32 != 0 ||
      threads > cluster.launch.shape.threads) {
    cluster.report(FindingKind::kBarrierMisuse, &thread,
                   fmt::format("{} {} of {} threads; it needs a number from 0 to 15 and whole "
                               "warps of the CTA's {} threads",
                               instruction, id, threads, cluster.launch.shape.threads));
    cluster.give_up(thread);
  }
  emulator::NamedBarrier& barrier = thread.cta->named[static_cast<std::size_t>(id)];
  if (barrier.arrived == 0) barrier.threads = threads;
  if (barrier.threads != threads)
    cluster.report(FindingKind::kBarrierMisuse, &thread,
                   fmt::format("{} {} of {} threads where others wait for {}", instruction, id,
                               threads, barrier.threads));
  const std::uint32_t generation = barrier.generation;
  if (++barrier.arrived == barrier.threads) {
    barrier.arrived = 0;
    ++barrier.generation;
    cluster.wake(barrier.waiters);
  }
  return generation;
}

}  // namespace

void barrier_sync(int id, int threads) {
  Thread& thread = self();
  const std::uint32_t generation = arrive(thread, id, threads, "barrier.sync");
  emulator::NamedBarrier& barrier = thread.cta->named[static_cast<std::size_t>(id)];
  while (barrier.generation == generation)
    thread.cluster->block(thread, {Wait::For::kNamedBarrier, static_cast<uint32_t>(id), 0},
                          barrier.waiters);
}

void barrier_sync_unaligned(int id, int threads) {
  barrier_sync(id, threads);
}

void barrier_arrive(int id, int threads) {
  arrive(self(), id, threads, "barrier.arrive");
}

void cluster_arrive() {
  Thread& thread = self();
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  emulator::ClusterBarrier& barrier = cluster.barrier;
  if (thread.owes_cluster_wait)
    cluster.report(FindingKind::kBarrierMisuse, &thread,
                   "barrier.cluster.arrive twice without a barrier.cluster.wait between them");
  thread.owes_cluster_wait = true;
  if (thread.cluster_phase == barrier.phase) return;
  thread.cluster_phase = barrier.phase;
  if (--barrier.missing > 0) return;
  ++barrier.phase;
  barrier.missing = barrier.live;
  cluster.wake(barrier.waiters);
}

void cluster_arrive_relaxed() {
  cluster_arrive();
}

void cluster_wait() {
  Thread& thread = self();
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  if (!thread.owes_cluster_wait)
    cluster.report(FindingKind::kBarrierMisuse, &thread,
                   "barrier.cluster.wait without a barrier.cluster.arrive before it");
  while (thread.owes_cluster_wait && cluster.barrier.phase <= thread.cluster_phase)
    cluster.block(thread, {Wait::For::kClusterBarrier, 0, 0}, cluster.barrier.waiters);
  thread.owes_cluster_wait = false;
}

void wait_for_previous_grid() {
  Thread& thread = self();
  thread.cluster->step(thread);
  thread.saw_previous_grid = true;
}

void launch_next_grid() {
  self().cluster->step(self());
}

int thread_index() {
  return self().index;
}
int lane_index() {
  return self().lane;
}
int cta_index() {
  return self().cta->index;
}
int num_ctas() {
  return self().cluster->launch.shape.grid;
}
int cluster_rank() {
  return self().cta->rank;
}

uint64_t global_timer() {
  Cluster& cluster = *self().cluster;
  cluster.clock_offset_ns += 32;  // its resolution: a loop that reads nothing else must end, too
  return static_cast<uint64_t>(cluster.scheduler.now() + cluster.clock_offset_ns);
}

void trap() {
  Thread& thread = self();
  thread.cluster->report(FindingKind::kTrap, &thread, "the kernel traps");
  thread.cluster->give_up(thread);
}

}  // namespace fathom::ptx
