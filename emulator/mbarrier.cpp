#include "emulator/mbarrier.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "emulator/ptx/mbarrier.cuh"

namespace fathom::emulator {
namespace {

// PTX ISA, mbarrier: counts and bytes of one phase.
constexpr int kMaxCount = (1 << 20) - 1;

Target barrier_at(Thread& thread, SmemAddr address, const char* instruction) {
  return resolve(thread, address, 8, 8, instruction);
}

void end_phase_if_complete(Cluster& cluster, Mbarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  ++barrier.phase;
  barrier.pending = barrier.arrivals;
  cluster.wake(barrier.waiters);
}

void expect(Thread& thread, const Target& at, Mbarrier& barrier, std::int64_t bytes) {
  barrier.bytes += bytes;
  if (bytes < 0 || std::abs(barrier.bytes) > kMaxCount)
    thread.cluster->report(
        FindingKind::kBarrierOverflow, &thread,
        fmt::format("{} expects {} bytes in phase {}; it can count to {}",
                    thread.cluster->name_of(at.address), barrier.bytes, barrier.phase, kMaxCount));
}

/// An init that nobody but its CTA can see yet.
void check_init_visible(Thread& thread, const Target& at, const Mbarrier& barrier,
                        const char* instruction) {
  if (barrier.maker->init_fences == barrier.maker_fences)
    thread.cluster->report(
        FindingKind::kMissingFence, &thread,
        fmt::format("{} on {}, initialised by thread {} without a fence.mbarrier_init since",
                    instruction, thread.cluster->name_of(at.address), barrier.maker->index));
}

}  // namespace

Mbarrier* find_mbarrier(Thread& thread, const Target& at, const char* instruction) {
  const auto found = at.cta->mbarriers.find(at.address);
  if (found != at.cta->mbarriers.end()) return &found->second;
  thread.cluster->report(FindingKind::kBarrierMisuse, &thread,
                         fmt::format("{} on {} of CTA {}, which is not initialised", instruction,
                                     thread.cluster->name_of(at.address), at.cta->index));
  return nullptr;
}

void arrive(Thread& thread, const Target& at, Mbarrier& barrier, const char* instruction) {
  if (at.cta != thread.cta) check_init_visible(thread, at, barrier, instruction);
  if (barrier.pending == 0) {
    thread.cluster->report(
        FindingKind::kBarrierOverflow, &thread,
        fmt::format("{} on {} of CTA {}: phase {} has its {} arrivals and waits for {} bytes",
                    instruction, thread.cluster->name_of(at.address), at.cta->index, barrier.phase,
                    barrier.arrivals, barrier.bytes));
    return;
  }
  --barrier.pending;
  end_phase_if_complete(*thread.cluster, barrier);
}

std::uint32_t begin_transaction(Thread& thread, const Target& at, Mbarrier& barrier,
                                const char* instruction) {
  check_init_visible(thread, at, barrier, instruction);
  ++barrier.in_flight;
  return barrier.phase;
}

void complete_transaction(Thread& thread, const Target& at, std::int64_t bytes, std::uint32_t phase,
                          const char* instruction) {
  Cluster& cluster = *thread.cluster;
  if (at.cta->ended()) {
    cluster.report(FindingKind::kPeerGone, &thread,
                   fmt::format("{} lands in CTA {}, which has ended", instruction, at.cta->index));
    return;
  }
  Mbarrier& barrier = at.cta->mbarriers.at(at.address);
  --barrier.in_flight;
  if (barrier.phase != phase)
    cluster.report(
        FindingKind::kTransactionMismatch, &thread,
        fmt::format("{} bytes of a {} begun in phase {} of {} land in phase {}: that "
                    "phase had not expected them",
                    bytes, instruction, phase, cluster.name_of(at.address), barrier.phase));
  barrier.bytes -= bytes;
  end_phase_if_complete(cluster, barrier);
}

}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::FindingKind;
using emulator::Mbarrier;
using emulator::self;
using emulator::Target;
using emulator::Thread;
using emulator::Wait;

void mbarrier_init(SmemAddr barrier, int arrivals) {
  Thread& thread = self();
  thread.cluster->step(thread);
  const Target at = emulator::barrier_at(thread, barrier, "mbarrier.init");
  if (!at) return;
  Mbarrier& made = at.cta->mbarriers[at.address];
  if (made.maker != nullptr)
    thread.cluster->report(FindingKind::kBarrierMisuse, &thread,
                           "mbarrier.init of " + thread.cluster->name_of(at.address) +
                               ", which is initialised already");
  if (arrivals < 1 || arrivals > emulator::kMaxCount)
    thread.cluster->report(
        FindingKind::kBarrierOverflow, &thread,
        fmt::format("mbarrier.init of {} for {} arrivals; it needs 1 to {}",
                    thread.cluster->name_of(at.address), arrivals, emulator::kMaxCount));
  made.arrivals = made.pending = arrivals;
  made.maker = &thread;
  made.maker_fences = thread.init_fences;
  emulator::Chunk& chunk = at.cta->shared.chunk(at.address);
  chunk.barriers = static_cast<std::uint8_t>(chunk.barriers | (at.address % 16 == 0 ? 1 : 2));
}

void fence_mbarrier_init() {
  Thread& thread = self();
  thread.cluster->step(thread);
  ++thread.init_fences;
}

void mbarrier_arrive(SmemAddr barrier) {
  Thread& thread = self();
  thread.cluster->step(thread);
  if (const Target at = emulator::barrier_at(thread, barrier, "mbarrier.arrive")) {
    if (Mbarrier* found = emulator::find_mbarrier(thread, at, "mbarrier.arrive"))
      emulator::arrive(thread, at, *found, "mbarrier.arrive");
  }
}

void mbarrier_arrive_cluster(SmemAddr barrier) {
  mbarrier_arrive(barrier);
}

void mbarrier_arrive_expect_tx(SmemAddr barrier, int bytes) {
  Thread& thread = self();
  thread.cluster->step(thread);
  const char* instruction = "mbarrier.arrive.expect_tx";
  if (const Target at = emulator::barrier_at(thread, barrier, instruction)) {
    Mbarrier* found = emulator::find_mbarrier(thread, at, instruction);
    if (found == nullptr) return;
    emulator::expect(thread, at, *found, bytes);
    emulator::arrive(thread, at, *found, instruction);
  }
}

bool mbarrier_try_wait_parity(SmemAddr barrier, uint32_t parity) {
  Thread& thread = self();
  emulator::Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  const Target at = emulator::barrier_at(thread, barrier, "mbarrier.try_wait");
  if (!at) cluster.give_up(thread);  // the caller would ask for ever
  Mbarrier* found = emulator::find_mbarrier(thread, at, "mbarrier.try_wait");
  if (found == nullptr) cluster.give_up(thread);
  const auto ended = [&] { return (found->phase & 1) != (parity & 1); };
  if (!ended()) {
    if (cluster.scheduler.random().one_in(8) && cluster.scheduler.any_ready()) {
      cluster.yield(thread);  // the instruction may come back without success
    } else {
      cluster.block(thread, {Wait::For::kMbarrier, at.address, parity}, found->waiters);
    }
  }
  if (!ended()) return false;
  if (found->phase > 0) {  // a fresh barrier lets a wait for the phase before pass
    thread.last_barrier = at.address;
    thread.last_phase = found->phase - 1;
  }
  return true;
}

SmemAddr map_to_cta(SmemAddr address, int rank) {
  return {emulator::mapped_address(address.value, rank)};
}

}  // namespace fathom::ptx
