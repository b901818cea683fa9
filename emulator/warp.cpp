#include "emulator/warp.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "emulator/access.hpp"
#include "emulator/ptx/cast.cuh"
#include "emulator/ptx/memory.cuh"
#include "emulator/ptx/thread.cuh"

namespace fathom::emulator {

Meeting::Slot meet(Thread& thread, const char* instruction, const Meeting::Slot& mine,
                   const std::function<void(MeetingSlots&)>& finish) {
  Cluster& cluster = *thread.cluster;
  cluster.step(thread);
  Meeting& meeting = thread.warp->meeting;
  if (thread.warp->ended_lanes > 0) {
    cluster.report(FindingKind::kDivergence, &thread,
                   fmt::format("{} of a warp of which {} lanes have ended", instruction,
                               thread.warp->ended_lanes));
    cluster.give_up(thread);
  }
  if (meeting.arrived == 0) meeting.instruction = instruction;
  if (std::strcmp(meeting.instruction, instruction) != 0) {
    cluster.report(FindingKind::kDivergence, &thread,
                   fmt::format("{} where {} other lanes of the warp are in {}", instruction,
                               meeting.arrived, meeting.instruction));
    cluster.give_up(thread);
  }
  const std::uint32_t generation = meeting.generation;
  MeetingSlots& slots = meeting.slots[generation % 2];
  const auto lane = static_cast<std::size_t>(thread.lane);
  slots[lane] = mine;
  if (++meeting.arrived == kWarpThreads) {
    finish(slots);
    meeting.arrived = 0;
    ++meeting.generation;
    cluster.wake(meeting.waiters);
  } else {
    while (meeting.generation == generation)
      cluster.block(thread, {Wait::For::kWarp, 0, 0}, meeting.waiters);
  }
  return slots[lane];
}

namespace {

std::uint64_t shuffled(const char* instruction, std::uint64_t value,
                       const std::function<int(int)>& source) {
  return meet(self(), instruction, {.value = value, .words = {}, .pointer = nullptr},
              [&](MeetingSlots& slots) {
                const MeetingSlots before = slots;
                for (int lane = 0; lane < kWarpThreads; ++lane)
                  slots[static_cast<std::size_t>(lane)].value =
                      before[static_cast<std::size_t>(source(lane))].value;
              })
      .value;
}

/// One 8x8 matrix a register: lane l holds two elements of row l / 4, and lane 8i + r knows where
/// row r of matrix i goes; transposed, where its column r goes.
void store_matrices(int count, SmemAddr row, const uint32_t* registers, bool transposed = false) {
  Thread& thread = self();
  Meeting::Slot mine;
  mine.value = row.value;
  for (int i = 0; i < count; ++i) mine.words[static_cast<std::size_t>(i)] = registers[i];
  meet(thread, "stmatrix", mine, [&](MeetingSlots& slots) {
    for (int i = 0; i < count; ++i) {
      for (int r = 0; r < 8; ++r) {
        const auto word = [&](int lane) {
          return static_cast<uint32_t>(
              slots[static_cast<std::size_t>(lane)].words[static_cast<std::size_t>(i)]);
        };
        const auto element = [&](int matrix_row, int col) {
          return word(4 * matrix_row + col / 2) >> (col % 2 * 16) & 0xffff;
        };
        uint32_t line[4];
        for (int quarter = 0; quarter < 4; ++quarter)
          line[quarter] = transposed ? element(2 * quarter, r) | element(2 * quarter + 1, r) << 16
                                     : word(4 * r + quarter);
        const int owner = 8 * i + r;
        const SmemAddr to{static_cast<uint32_t>(slots[static_cast<std::size_t>(owner)].value)};
        write_shared(*thread.warp->lanes[static_cast<std::size_t>(owner)], to, line, 16,
                     "stmatrix");
      }
    }
  });
}

/// Which lane elect.sync picks: always the same one (PTX ISA, elect.sync), but which is the
/// machine's choice.
std::size_t elected_lane(const Cluster& cluster) {
  const std::uint64_t drawn = Random::mix(cluster.launch.options->seed);
  return drawn % 2 == 0 ? 0 : drawn / 2 % kWarpThreads;
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::self;
using emulator::Thread;

int warp_uniform(int value) {
  return static_cast<int>(
      emulator::shuffled("shfl.sync.idx", static_cast<uint64_t>(value), [](int) { return 0; }));
}

int shuffle(int value, int lane) {
  emulator::Meeting::Slot mine{
      .value = static_cast<uint64_t>(value), .words = {}, .pointer = nullptr};
  mine.words[0] = static_cast<uint32_t>(lane) % 32;
  return static_cast<int>(
      emulator::meet(self(), "shfl.sync.idx", mine, [](emulator::MeetingSlots& slots) {
        const emulator::MeetingSlots before = slots;
        for (auto& slot : slots) slot.value = before[slot.words[0]].value;
      }).value);
}

int shuffle_up(int value, int delta) {
  return static_cast<int>(
      emulator::shuffled("shfl.sync.up", static_cast<uint64_t>(value),
                         [&](int lane) { return lane < delta ? lane : lane - delta; }));
}

int shuffle_down(int value, int delta) {
  return static_cast<int>(
      emulator::shuffled("shfl.sync.down", static_cast<uint64_t>(value),
                         [&](int lane) { return lane + delta > 31 ? lane : lane + delta; }));
}

uint32_t ballot(bool said) {
  const emulator::Meeting::Slot mine{.value = said ? 1u : 0u, .words = {}, .pointer = nullptr};
  return static_cast<uint32_t>(
      emulator::meet(self(), "vote.sync.ballot", mine, [](emulator::MeetingSlots& slots) {
        uint64_t bits = 0;
        for (std::size_t lane = 0; lane < slots.size(); ++lane) bits |= slots[lane].value << lane;
        for (auto& slot : slots) slot.value = bits;
      }).value);
}

int population_count(uint32_t bits) {
  return std::popcount(bits);
}

float shuffle_xor(float value, int mask) {
  const auto bits = static_cast<uint32_t>(emulator::shuffled(
      "shfl.sync.bfly", std::bit_cast<uint32_t>(value), [&](int lane) { return lane ^ mask; }));
  return std::bit_cast<float>(bits);
}

bool elect_one() {
  return emulator::meet(self(), "elect.sync", {}, [](emulator::MeetingSlots& slots) {
           slots[emulator::elected_lane(*self().cluster)].value = 1;
         }).value != 0;
}

void warp_sync() {
  emulator::meet(self(), "bar.warp.sync", {}, [](emulator::MeetingSlots&) {});
}

void stmatrix_x4(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3) {
  const uint32_t registers[4] = {r0, r1, r2, r3};
  emulator::store_matrices(4, row, registers);
}

void stmatrix_x2(SmemAddr row, uint32_t r0, uint32_t r1) {
  const uint32_t registers[2] = {r0, r1};
  emulator::store_matrices(2, row, registers);
}

void stmatrix_x4_trans(SmemAddr row, uint32_t r0, uint32_t r1, uint32_t r2, uint32_t r3) {
  const uint32_t registers[4] = {r0, r1, r2, r3};
  emulator::store_matrices(4, row, registers, true);
}

void stmatrix_x2_trans(SmemAddr row, uint32_t r0, uint32_t r1) {
  const uint32_t registers[2] = {r0, r1};
  emulator::store_matrices(2, row, registers, true);
}

}  // namespace fathom::ptx
