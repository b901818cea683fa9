#include "emulator/access.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace fathom::emulator {
namespace {

constexpr std::uint32_t kOffsetMask = 0xffffff;

void report_in_flight(Thread& thread, const Target& at, int bytes, const char* instruction) {
  thread.cluster->report(FindingKind::kInFlight, &thread,
                         fmt::format("{} of {} bytes at {} while {} uses them", instruction, bytes,
                                     thread.cluster->name_of(at.address),
                                     thread.cluster->user_of(*at.cta, at.address, bytes)));
}

void report_barrier_word(Thread& thread, const Target& at, const char* instruction) {
  thread.cluster->report(FindingKind::kBarrierMisuse, &thread,
                         fmt::format("{} at {}, which holds an mbarrier", instruction,
                                     thread.cluster->name_of(at.address)));
}

/// The halves of a chunk that `bytes` at `address` touch, as in Chunk::barriers.
std::uint8_t halves(std::uint32_t address, int bytes) {
  const std::uint32_t first = address % 16;
  const bool low = first < 8;
  const bool high = first + static_cast<std::uint32_t>(bytes) > 8;
  return static_cast<std::uint8_t>((low ? 1 : 0) | (high ? 2 : 0));
}

}  // namespace

std::uint32_t mapped_address(std::uint32_t address, int rank) {
  return (address & kOffsetMask) | static_cast<std::uint32_t>(rank + 1) << 24;
}

Target resolve(Thread& thread, SmemAddr address, std::int64_t bytes, int alignment,
               const char* instruction) {
  Cluster& cluster = *thread.cluster;
  const int rank = static_cast<int>(address.value >> 24) - 1;
  const std::uint32_t offset = address.value & kOffsetMask;
  if (rank >= static_cast<int>(cluster.ctas.size())) {
    cluster.report(FindingKind::kOutOfBounds, &thread,
                   fmt::format("{} at address {:#x}, which belongs to no CTA of the cluster",
                               instruction, address.value));
    return {};
  }
  Cta* cta = rank < 0 ? thread.cta : cluster.ctas[static_cast<std::size_t>(rank)].get();
  if (!cta->shared.contains(offset, bytes)) {
    cluster.report(FindingKind::kOutOfBounds, &thread,
                   fmt::format("{} of {} bytes at {}; the CTA has {} bytes of shared memory",
                               instruction, bytes, cluster.name_of(offset), cta->shared.bytes()));
    return {};
  }
  if (offset % static_cast<std::uint32_t>(alignment) != 0) {
    cluster.report(FindingKind::kMisaligned, &thread,
                   fmt::format("{} at {}, which is not a multiple of {} bytes", instruction,
                               cluster.name_of(offset), alignment));
    return {};
  }
  if (cta->ended() || !cta->started) {
    cluster.report(
        FindingKind::kPeerGone, &thread,
        fmt::format("{} at {} of CTA {}, which has {}", instruction, cluster.name_of(offset),
                    cta->index, cta->ended() ? "ended" : "not begun to run"));
    return {};
  }
  return {cta, offset};
}

void read_shared(SmemAddr from, void* to, int bytes, ValueKind kind, const char* instruction) {
  Thread& thread = self();
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  std::memset(to, 0, static_cast<std::size_t>(bytes));
  const Target at = resolve(thread, from, bytes, bytes, instruction);
  if (!at) return;
  SharedMemory& shared = at.cta->shared;
  const Chunk& chunk = shared.chunk(at.address);
  if ((chunk.barriers & halves(at.address, bytes)) != 0)
    report_barrier_word(thread, at, instruction);
  std::memcpy(to, shared.at(at.address), static_cast<std::size_t>(bytes));
  if (shared.written(at.address, bytes)) return;
  if (chunk.loads > 0 || chunk.copies > 0) {
    report_in_flight(thread, at, bytes, instruction);
  } else if (kind == ValueKind::kBits) {
    cluster.report(
        FindingKind::kNeverWritten, &thread,
        fmt::format("{} of {} bytes at {}", instruction, bytes, cluster.name_of(at.address)));
  } else {
    const std::uint32_t poison = cluster.poisons.make({.kind = FindingKind::kNeverWritten,
                                                       .thread = &thread,
                                                       .address = at.address,
                                                       .last_barrier = thread.last_barrier,
                                                       .last_phase = thread.last_phase});
    for (int i = 0; i < bytes; i += 4)
      if (!shared.written(at.address + static_cast<std::uint32_t>(i), 4))
        std::memcpy(static_cast<unsigned char*>(to) + i, &poison, 4);
  }
}

void store_checked(Thread& thread, const Target& to, const void* from, int bytes,
                   const char* instruction) {
  SharedMemory& shared = to.cta->shared;
  Chunk& chunk = shared.chunk(to.address);
  if ((chunk.barriers & halves(to.address, bytes)) != 0)
    report_barrier_word(thread, to, instruction);
  const bool arriving = chunk.loads > 0 || (chunk.copies > 0 && !shared.written(to.address, bytes));
  if (chunk.readers > 0 || arriving) report_in_flight(thread, to, bytes, instruction);
  std::memcpy(shared.at(to.address), from, static_cast<std::size_t>(bytes));
  shared.set_written(to.address, bytes, true);
  chunk.writer = static_cast<std::uint32_t>(thread.index_in_cluster) + 1;
  chunk.epoch = thread.proxy_fences;
}

void write_shared(Thread& thread, SmemAddr to, const void* from, int bytes,
                  const char* instruction) {
  if (const Target at = resolve(thread, to, bytes, bytes, instruction))
    store_checked(thread, at, from, bytes, instruction);
}

void begin_load(Thread& thread, const Target& to, std::int64_t bytes, const char* instruction) {
  SharedMemory& shared = to.cta->shared;
  bool clash = false;
  for (std::uint32_t at = to.address; at < to.address + bytes; at += 16) {
    Chunk& chunk = shared.chunk(at);
    if (chunk.barriers != 0) report_barrier_word(thread, {to.cta, at}, instruction);
    if ((chunk.readers > 0 || chunk.loads > 0 || chunk.copies > 0) && !clash) {
      report_in_flight(thread, {to.cta, at}, 16, instruction);
      clash = true;
    }
    ++chunk.loads;
    chunk.written = 0;
  }
}

void end_load(const Target& to, std::int64_t bytes) {
  SharedMemory& shared = to.cta->shared;
  for (std::uint32_t at = to.address; at < to.address + bytes; at += 16) {
    Chunk& chunk = shared.chunk(at);
    --chunk.loads;
    chunk.written = 0xffff;
    chunk.writer = 0;
  }
}

void begin_read(Thread& thread, const Target& from, bool must_be_written, const char* instruction) {
  Cluster& cluster = *thread.cluster;
  Chunk& chunk = from.cta->shared.chunk(from.address);
  ++chunk.readers;
  if (chunk.loads > 0 || (chunk.copies > 0 && chunk.written != 0xffff)) {
    --chunk.readers;  // so that the report names the other side
    report_in_flight(thread, from, 16, instruction);
    ++chunk.readers;
  } else if (must_be_written && chunk.written != 0xffff) {
    cluster.report(FindingKind::kNeverWritten, &thread,
                   fmt::format("{} reads {}", instruction, cluster.name_of(from.address)));
  }
  if (chunk.writer == 0 || chunk.written == 0) return;
  const int threads = cluster.launch.shape.threads;
  const int writer = static_cast<int>(chunk.writer) - 1;
  const Thread& wrote = *cluster.ctas[static_cast<std::size_t>(writer / threads)]
                             ->threads[static_cast<std::size_t>(writer % threads)];
  if (wrote.proxy_fences == chunk.epoch)
    cluster.report(FindingKind::kMissingFence, &thread,
                   fmt::format("{} reads {}, which thread {} wrote without a fence.proxy.async "
                               "since",
                               instruction, cluster.name_of(from.address), wrote.index));
}

void end_read(const Target& from) {
  --from.cta->shared.chunk(from.address).readers;
}

std::uint64_t note_outstanding(Thread& thread, const Target& at, std::int64_t bytes,
                               const char* instruction) {
  const std::uint64_t number = thread.cluster->next_outstanding++;
  at.cta->outstanding[number] = {instruction, &thread, at.address,
                                 at.address + static_cast<std::uint32_t>(bytes)};
  return number;
}

void end_outstanding(Cta& cta, std::uint64_t number) {
  cta.outstanding.erase(number);
}

namespace {

void report_use(Thread& thread, const Origin& origin, const char* instruction) {
  Cluster& cluster = *thread.cluster;
  const Thread& source = *origin.thread;
  const std::string where = fmt::format(
      "CTA {} thread {} in phase {} of {}", source.cta->index, source.index, origin.last_phase,
      origin.last_barrier == 0 ? "no barrier" : cluster.name_of(origin.last_barrier));
  if (origin.kind == FindingKind::kEarlyRead)
    cluster.report(origin.kind, &thread,
                   fmt::format("{} stores what came from wgmma {} of its warp before "
                               "wgmma.wait_group ({})",
                               instruction, origin.product, where));
  else
    cluster.report(origin.kind, &thread,
                   fmt::format("{} stores what came from {}, where nobody had written ({})",
                               instruction, cluster.name_of(origin.address), where));
}

}  // namespace

void check_float_use(Thread& thread, float value, const char* instruction) {
  if (const Origin* origin = thread.cluster->poisons.find(std::bit_cast<std::uint32_t>(value)))
    report_use(thread, *origin, instruction);
}

void check_bf16_use(Thread& thread, std::uint16_t value, const char* instruction) {
  if (const Origin* origin = thread.cluster->poisons.find_bf16(value))
    report_use(thread, *origin, instruction);
}

}  // namespace fathom::emulator
