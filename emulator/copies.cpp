// Small asynchronous writes into shared memory: cp.async and st.async. Emulator layer, inside.
#include <array>
#include <cstring>

#include "emulator/mbarrier.hpp"
#include "emulator/ptx/memory.cuh"

namespace fathom::emulator {
namespace {

/// All copies of the batch have landed; then the thread's arrival.
void land_copies(Thread& thread, const std::vector<SmallCopy>& copies, const Target& at) {
  SharedMemory& shared = thread.cta->shared;
  if (thread.cta->ended()) {
    thread.cluster->report(FindingKind::kPeerGone, &thread,
                           "cp.async lands after its CTA has ended");
    return;
  }
  for (const SmallCopy& copy : copies) {
    std::memcpy(shared.at(copy.to), copy.from, static_cast<std::size_t>(copy.bytes));
    shared.set_written(copy.to, copy.bytes, true);
    Chunk& chunk = shared.chunk(copy.to);
    --chunk.copies;
    chunk.writer = static_cast<std::uint32_t>(thread.index_in_cluster) + 1;
    chunk.epoch = thread.proxy_fences;
  }
  if (Mbarrier* barrier = find_mbarrier(thread, at, "cp.async.mbarrier.arrive"))
    arrive(thread, at, *barrier, "cp.async.mbarrier.arrive");
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::Target;
using emulator::Thread;

void cp_async_4(SmemAddr to, const float* from) {
  constexpr int kBytes = 4;
  Thread& thread = emulator::self();
  emulator::Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  const Target at = emulator::resolve(thread, to, kBytes, kBytes, "cp.async");
  if (!at || !cluster.check_global(thread, from, kBytes, emulator::Access::kRead, "cp.async"))
    return;
  emulator::Chunk& chunk = at.cta->shared.chunk(at.address);
  if (chunk.loads > 0 || chunk.readers > 0)
    cluster.report(emulator::FindingKind::kInFlight, &thread,
                   "cp.async to " + cluster.name_of(at.address) + " while " +
                       cluster.user_of(*at.cta, at.address, kBytes) + " uses it");
  ++chunk.copies;
  at.cta->shared.set_written(at.address, kBytes, false);
  thread.copies.push_back({at.address, kBytes, from});
}

void cp_async_arrive(SmemAddr barrier) {
  Thread& thread = emulator::self();
  thread.cluster->step(thread);
  const Target at = emulator::resolve(thread, barrier, 8, 8, "cp.async.mbarrier.arrive");
  if (!at || emulator::find_mbarrier(thread, at, "cp.async.mbarrier.arrive") == nullptr) return;
  thread.cluster->scheduler.later([&thread, at, copies = std::move(thread.copies)] {
    emulator::land_copies(thread, copies, at);
  });
  thread.copies.clear();
}

void store_async_v4(SmemAddr to, Float4 v, SmemAddr barrier) {
  constexpr int kBytes = 16;
  const char* instruction = "st.async";
  Thread& thread = emulator::self();
  emulator::Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  const Target at = emulator::resolve(thread, to, kBytes, kBytes, instruction);
  const Target on = emulator::resolve(thread, barrier, 8, 8, instruction);
  if (!at || !on) return;
  if (at.cta != on.cta) {
    cluster.report(emulator::FindingKind::kBarrierMisuse, &thread,
                   "st.async to one CTA with a barrier of another");
    return;
  }
  emulator::Mbarrier* found = emulator::find_mbarrier(thread, on, instruction);
  if (found == nullptr) return;
  const uint32_t phase = emulator::begin_transaction(thread, on, *found, instruction);
  emulator::begin_load(thread, at, kBytes, instruction);
  std::array<unsigned char, kBytes> bytes;
  std::memcpy(bytes.data(), &v, kBytes);
  cluster.scheduler.later([&thread, at, on, phase, bytes, instruction] {
    if (!at.cta->ended()) {
      std::memcpy(at.cta->shared.at(at.address), bytes.data(), kBytes);
      emulator::end_load(at, kBytes);
    }
    emulator::complete_transaction(thread, on, kBytes, phase, instruction);
  });
}

}  // namespace fathom::ptx
