// The parts of one emulated cluster: CTAs, warps, threads, their barriers and what they wait for.
// Emulator layer, inside; the functions of ptx/ work on these.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.hpp"
#include "emulator/fiber.hpp"
#include "emulator/launch.hpp"
#include "emulator/scheduler.hpp"
#include "emulator/shared_memory.hpp"

namespace fathom::emulator {

struct Cta;
struct Warp;
class Cluster;

inline constexpr int kWarpThreads = 32;
inline constexpr int kWarpgroupWarps = 4;

/// Threads that wait for one thing.
using Waiters = std::vector<Thread*>;

/// What a thread waits for, in the words of a report, and where it is.
struct Wait {
  enum class For {
    kNothing,
    kMbarrier,
    kNamedBarrier,
    kClusterBarrier,
    kWarp,
    kProducts,
    kBulkGroups,
    kRegisters
  };
  For what = For::kNothing;
  std::uint32_t object = 0;  ///< address or number of it
  std::uint32_t phase = 0;   ///< kMbarrier: the parity asked for
};

/// An mbarrier (PTX ISA, mbarrier): a phase ends when no arrival and no byte is missing.
struct Mbarrier {
  int arrivals = 0;
  int pending = 0;
  std::int64_t bytes = 0;       ///< expected minus landed
  std::uint32_t phase = 0;      ///< phases that have ended
  std::uint64_t in_flight = 0;  ///< copies on their way that will complete on it
  const Thread* maker = nullptr;
  std::uint32_t maker_fences = 0;  ///< fence.mbarrier_init of the maker before the init
  Waiters waiters;
};

struct NamedBarrier {
  int threads = 0;  ///< of the generation that gathers
  int arrived = 0;
  std::uint32_t generation = 0;
  Waiters waiters;
};

/// One wgmma of a warp: up to four steps of k32 into 16 rows of the warpgroup's 64.
struct Product {
  static constexpr int kMostSteps = 4;
  int cols = 0;
  int steps = 0;
  std::array<std::uint64_t, kMostSteps> a{}, b{};
  std::uint32_t poison = 0;  ///< bits that stand in the accumulators until the wait
  std::array<float*, kWarpThreads> registers{};
  std::vector<float> result;  ///< [lane][cols / 2]
  int collected = 0;          ///< lanes that have it
};

/// The wgmma of a warp in their order, by running numbers.
struct Products {
  std::deque<Product> list;  ///< the first is number `first`
  int first = 0;
  int issued = 0;               ///< products
  std::vector<int> group_ends;  ///< products issued before the end of each committed group
  int finished_groups = 0;
  Waiters waiters;
};

/// The lanes of a warp meeting in one .sync instruction. Slots of two generations, because a lane
/// may be back before the slowest has read its own.
struct Meeting {
  struct Slot {
    std::uint64_t value = 0;
    std::array<std::uint64_t, 8> words{};
    const void* pointer = nullptr;
  };
  const char* instruction = nullptr;
  int arrived = 0;
  std::uint32_t generation = 0;
  std::array<std::array<Slot, kWarpThreads>, 2> slots;
  Waiters waiters;
};

struct Warp {
  Cta* cta = nullptr;
  int index = 0;  ///< in its CTA
  std::array<Thread*, kWarpThreads> lanes{};
  int ended_lanes = 0;
  int registers = 0;  ///< of each thread
  Meeting meeting;
  Products products;
};

/// cp.async of a thread that no arrive covers yet.
struct SmallCopy {
  std::uint32_t to = 0;
  int bytes = 0;
  const void* from = nullptr;
};

struct Thread {
  Cluster* cluster = nullptr;
  Cta* cta = nullptr;
  Warp* warp = nullptr;
  int index = 0;  ///< %tid.x
  int lane = 0;
  int index_in_cluster = 0;
  bool ended = false;
  Fiber fiber;
  Wait wait;

  std::uint32_t proxy_fences = 0;
  std::uint32_t init_fences = 0;
  bool wgmma_fenced = false;
  int products_collected = 0;
  bool saw_previous_grid = false;
  std::int64_t cluster_phase = -1;  ///< last phase of the cluster barrier it has arrived at
  bool owes_cluster_wait = false;
  std::vector<SmallCopy> copies;
  int open_bulk = 0;             ///< stores since the last commit
  std::vector<int> bulk_groups;  ///< stores of each committed group that still run
  Waiters bulk_waiters;
  /// The last mbarrier wait that came back: its address and the number of the phase.
  std::uint32_t last_barrier = 0;
  std::uint32_t last_phase = 0;

  int warp_in_cluster() const { return index_in_cluster / kWarpThreads; }
};

/// A warpgroup's wgmma, to hold its four warps to the same ones.
struct Warpgroup {
  struct Issued {
    std::uint64_t key = 0;
    int warps = 0;
  };
  std::map<int, Issued> issued;  ///< by number
};

/// Something that still reads or fills shared memory, for the words of a report.
struct Outstanding {
  const char* what = nullptr;
  const Thread* issuer = nullptr;
  std::uint32_t begin = 0, end = 0;
};

struct Cta {
  Cta(Cluster* the_cluster, int the_index, int the_rank, const LaunchShape& shape);

  Cluster* cluster;
  int index;  ///< %ctaid.x
  int rank;
  int live_threads;
  bool started = false;  ///< one of its threads has run
  SharedMemory shared;
  std::unordered_map<std::uint32_t, Mbarrier> mbarriers;
  std::array<NamedBarrier, 16> named;  // barriers 0 to 15 (PTX ISA, barrier)
  std::vector<std::unique_ptr<Warp>> warps;
  std::vector<Warpgroup> warpgroups;
  std::vector<std::unique_ptr<Thread>> threads;
  std::map<std::uint64_t, Outstanding> outstanding;
  int free_registers = 0;  ///< given back by setmaxnreg.dec
  Waiters register_waiters;

  bool ended() const { return live_threads == 0; }
};

/// barrier.cluster, which counts threads; one that has ended is not waited for.
struct ClusterBarrier {
  std::int64_t phase = 0;
  int missing = 0;
  int live = 0;
  Waiters waiters;
};

}  // namespace fathom::emulator
