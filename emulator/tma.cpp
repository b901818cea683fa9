// The tensor copy engine: boxes between global and shared memory, bulk groups. Emulator layer,
// inside.
#include "emulator/ptx/tma.cuh"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "emulator/box.hpp"
#include "emulator/mbarrier.hpp"

namespace fathom::emulator {
namespace {

// Shared addresses of tensor copies (PTX ISA, cp.async.bulk.tensor).
constexpr int kSharedAlignment = 128;

/// Tensor maps lie in the kernel's parameters or in global memory, not on a thread's stack (PTX
/// ISA, cp.async.bulk.tensor).
bool lies_where_maps_may(const Cluster& cluster, const TensorMap& map) {
  const auto begin = reinterpret_cast<std::uintptr_t>(&map);
  const std::uintptr_t end = begin + sizeof map;
  const auto params = reinterpret_cast<std::uintptr_t>(cluster.launch.params);
  if (begin >= params && end <= params + cluster.launch.param_bytes) return true;
  // Kernel text takes its parameter by value (emulator/kernels): the host compiler's copy of a map
  // in it stands for the map itself.
  if (cluster.launch.options->params_by_value) {
    const auto* bytes = static_cast<const unsigned char*>(cluster.launch.params);
    for (std::size_t at = 0; at + sizeof map <= cluster.launch.param_bytes;
         at += alignof(TensorMap))
      if (std::memcmp(bytes + at, &map, sizeof map) == 0) return true;
  }
  const auto& ranges = cluster.launch.memory->ranges();
  return std::any_of(ranges.begin(), ranges.end(), [&](const Memory::Range& range) {
    return begin >= range.begin && end <= range.end;
  });
}

/// A decoded map, or nothing and a report.
std::optional<Box> box_of(Thread& thread, const TensorMap& map, std::initializer_list<int> at,
                          const char* instruction) {
  Box box;
  std::string problem = decode(map, at, &box);
  if (!lies_where_maps_may(*thread.cluster, map))
    problem = "the tensor map lies neither in the kernel's parameters nor in global memory";
  if (!problem.empty()) {
    thread.cluster->report(FindingKind::kTensorMap, &thread,
                           fmt::format("{}: {}", instruction, problem));
    return std::nullopt;
  }
  // An illegal instruction on an H200 (bench/journal.md).
  if (const std::int64_t byte = box.at[0] * box.element; byte % 16 != 0) {
    thread.cluster->report(FindingKind::kMisaligned, &thread,
                           fmt::format("{} of a box that starts at byte {} of a row, which is not "
                                       "a multiple of 16",
                                       instruction, byte));
    return std::nullopt;
  }
  return box;
}

bool may_touch(Thread& thread, const Box& box, Access access, const char* instruction) {
  bool ok = true;
  box.for_each_row([&](const Box::Row& row) {
    const std::int64_t begin = std::max<std::int64_t>(row.first_byte, 0);
    const std::int64_t end = std::min(row.first_byte + box.row_bytes, box.dim_bytes);
    if (!ok || !row.exists || begin >= end) return;
    ok = thread.cluster->check_global(thread, row.start + begin, end - begin, access, instruction);
  });
  return ok;
}

void land_load(const Box& box, const Target& to) {
  SharedMemory& shared = to.cta->shared;
  box.for_each_row([&](const Box::Row& row) {
    for (std::int64_t c = 0; c < box.row_bytes; c += 16) {
      unsigned char* chunk = shared.at(box.chunk_address(to.address, row.index, c));
      std::memset(chunk, 0, 16);
      const std::int64_t first = row.first_byte + c;
      const std::int64_t begin = std::max<std::int64_t>(first, 0);
      const std::int64_t end = std::min(first + 16, box.dim_bytes);
      if (row.exists && begin < end)
        std::memcpy(chunk + (begin - first), row.start + begin,
                    static_cast<std::size_t>(end - begin));
    }
  });
}

void load_into(Thread& thread, const Box& box, const Target& to, const Target& barrier,
               const char* instruction) {
  Mbarrier* found = find_mbarrier(thread, barrier, instruction);
  if (found == nullptr) return;
  const std::int64_t bytes = box.bytes();
  const std::uint32_t phase = begin_transaction(thread, barrier, *found, instruction);
  begin_load(thread, to, bytes, instruction);
  const std::uint64_t number = note_outstanding(thread, to, bytes, instruction);
  thread.cluster->scheduler.later([&thread, box, to, barrier, bytes, phase, number, instruction] {
    if (!to.cta->ended()) {
      land_load(box, to);
      end_load(to, bytes);
    }
    end_outstanding(*to.cta, number);
    complete_transaction(thread, barrier, bytes, phase, instruction);
  });
}

void load(SmemAddr to, const TensorMap& map, std::initializer_list<int> at, SmemAddr barrier,
          std::uint32_t cta_mask, const char* instruction) {
  Thread& thread = self();
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  const std::optional<Box> box = box_of(thread, map, at, instruction);
  if (!box || !may_touch(thread, *box, Access::kRead, instruction)) return;
  if (cta_mask >> cluster.ctas.size() != 0 || cta_mask == 0) {
    cluster.report(FindingKind::kOutOfBounds, &thread,
                   fmt::format("{} to CTAs {:#b} of a cluster of {}", instruction, cta_mask,
                               cluster.ctas.size()));
    return;
  }
  for (int rank = 0; rank < static_cast<int>(cluster.ctas.size()); ++rank) {
    if ((cta_mask >> rank & 1) == 0) continue;
    const Target place = resolve(thread, {mapped_address(to.value, rank)}, box->bytes(),
                                 kSharedAlignment, instruction);
    const Target on = resolve(thread, {mapped_address(barrier.value, rank)}, 8, 8, instruction);
    if (place && on) load_into(thread, *box, place, on, instruction);
  }
}

/// The rank that an address names, or the thread's own.
int rank_of(const Thread& thread, SmemAddr address) {
  const int mapped = static_cast<int>(address.value >> 24) - 1;
  return mapped < 0 ? thread.cta->rank : mapped;
}

/// Calls visit(16 bytes in shared memory, their place in global memory, bytes that are stored) for
/// each chunk of the box. The hardware clips a store at whole 16-byte chunks (seen on an H200,
/// bench/journal.md): a chunk that begins inside the tensor is written in full.
template <typename Visit>
void for_each_stored_chunk(const Box& box, Cta& cta, std::uint32_t from, const Visit& visit) {
  box.for_each_row([&](const Box::Row& row) {
    for (std::int64_t c = 0; row.exists && c < box.row_bytes; c += 16) {
      const std::int64_t first = row.first_byte + c;
      if (first < 0 || first >= box.dim_bytes) continue;
      visit(cta.shared.at(box.chunk_address(from, row.index, c)), row.start + first);
    }
  });
}

void check_use(Thread& thread, const Box& box, const unsigned char* chunk,
               const char* instruction) {
  for (int i = 0; i < 16; i += box.element) {
    if (box.type == MapType::kFloat32) {
      float value;
      std::memcpy(&value, chunk + i, sizeof value);
      check_float_use(thread, value, instruction);
    } else if (box.type == MapType::kBfloat16) {
      std::uint16_t value;
      std::memcpy(&value, chunk + i, sizeof value);
      check_bf16_use(thread, value, instruction);
    }
  }
}

void add_floats(unsigned char* to, const unsigned char* chunk) {
  float sums[4], values[4];
  std::memcpy(sums, to, sizeof sums);
  std::memcpy(values, chunk, sizeof values);
  for (int i = 0; i < 4; ++i) sums[i] += values[i];
  std::memcpy(to, sums, sizeof sums);
}

void store(const TensorMap& map, SmemAddr from, std::initializer_list<int> at, bool add,
           const char* instruction) {
  Thread& thread = self();
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  const std::optional<Box> box = box_of(thread, map, at, instruction);
  if (!box) return;
  if (add && box->type != MapType::kFloat32) {
    cluster.report(FindingKind::kTensorMap, &thread,
                   fmt::format("{}: only fp32 is added here", instruction));
    return;
  }
  const Target place = resolve(thread, from, box->bytes(), kSharedAlignment, instruction);
  if (!place || !may_touch(thread, *box, Access::kReadWrite, instruction)) return;
  const std::int64_t bytes = box->bytes();
  for (std::int64_t c = 0; c < bytes; c += 16)
    begin_read(thread, {place.cta, place.address + static_cast<std::uint32_t>(c)}, true,
               instruction);
  const std::uint64_t number = note_outstanding(thread, place, bytes, instruction);
  ++thread.open_bulk;
  const std::size_t group = thread.bulk_groups.size();
  cluster.scheduler.later([&thread, box = *box, place, bytes, number, group, add, instruction] {
    for_each_stored_chunk(box, *place.cta, place.address,
                          [&](const unsigned char* chunk, unsigned char* to) {
                            check_use(thread, box, chunk, instruction);
                            if (add)
                              add_floats(to, chunk);
                            else
                              std::memcpy(to, chunk, 16);
                          });
    for (std::int64_t c = 0; c < bytes; c += 16)
      end_read({place.cta, place.address + static_cast<std::uint32_t>(c)});
    end_outstanding(*place.cta, number);
    if (group < thread.bulk_groups.size())
      --thread.bulk_groups[group];
    else
      --thread.open_bulk;
    thread.cluster->wake(thread.bulk_waiters);
  });
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::self;
using emulator::Thread;

void prefetch_tensormap(const TensorMap& map) {
  Thread& thread = self();
  thread.cluster->step(thread);
  emulator::box_of(thread, map, {0, 0}, "prefetch.tensormap");
}

void tma_prefetch_2d(const TensorMap& map, int x, int y, uint64_t) {
  Thread& thread = self();
  thread.cluster->step(thread);
  emulator::box_of(thread, map, {x, y}, "cp.async.bulk.prefetch.tensor");
}

void tma_load_2d(SmemAddr to, const TensorMap& map, int x, int y, SmemAddr barrier, uint64_t) {
  const int rank = emulator::rank_of(self(), to);
  emulator::load(to, map, {x, y}, barrier, 1u << rank, "TMA load");
}

void tma_load_2d_multicast(SmemAddr to, const TensorMap& map, int x, int y, SmemAddr barrier,
                           uint16_t cta_mask, uint64_t) {
  emulator::load(to, map, {x, y}, barrier, cta_mask, "TMA multicast load");
}

void tma_store_2d(const TensorMap& map, SmemAddr from, int x, int y) {
  emulator::store(map, from, {x, y}, false, "TMA store");
}

void tma_add_2d(const TensorMap& map, SmemAddr from, int x, int y) {
  emulator::store(map, from, {x, y}, true, "TMA reduce-add");
}

void bulk_commit_group() {
  Thread& thread = self();
  thread.cluster->step(thread);
  thread.bulk_groups.push_back(thread.open_bulk);
  thread.open_bulk = 0;
}

void bulk_wait(int pending) {
  Thread& thread = self();
  thread.cluster->step(thread);
  const auto running = [&] {  // a group that is not one of the last `pending`
    const int done = static_cast<int>(thread.bulk_groups.size()) - pending;
    return std::any_of(thread.bulk_groups.begin(), thread.bulk_groups.begin() + std::max(0, done),
                       [](int stores) { return stores > 0; });
  };
  while (running())
    thread.cluster->block(thread, {emulator::Wait::For::kBulkGroups, 0, 0}, thread.bulk_waiters);
}

void fence_proxy_async() {
  Thread& thread = self();
  thread.cluster->step(thread);
  ++thread.proxy_fences;
}

}  // namespace fathom::ptx
