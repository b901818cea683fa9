#include "emulator/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fathom::emulator {
namespace {

thread_local Thread* running = nullptr;

int warps_of(const LaunchShape& shape) {
  return shape.threads / kWarpThreads;
}

}  // namespace

Thread& self() {
  return *running;
}

Cta::Cta(Cluster* the_cluster, int the_index, int the_rank, const LaunchShape& shape)
    : cluster(the_cluster),
      index(the_index),
      rank(the_rank),
      live_threads(shape.threads),
      shared(shape.shared_bytes),
      warpgroups(static_cast<std::size_t>(warps_of(shape) + kWarpgroupWarps - 1) /
                 kWarpgroupWarps) {
  for (int w = 0; w < warps_of(shape); ++w) {
    warps.push_back(std::make_unique<Warp>());
    Warp& warp = *warps.back();
    warp.cta = this;
    warp.index = w;
    warp.registers = shape.registers;
    for (int lane = 0; lane < kWarpThreads; ++lane) {
      threads.push_back(std::make_unique<Thread>());
      Thread& thread = *threads.back();
      thread.cluster = cluster;
      thread.cta = this;
      thread.warp = &warp;
      thread.index = w * kWarpThreads + lane;
      thread.lane = lane;
      thread.index_in_cluster = rank * shape.threads + thread.index;
      thread.saw_previous_grid = !shape.programmatic;
      warp.lanes[static_cast<std::size_t>(lane)] = &thread;
    }
  }
}

Cluster::Cluster(const Launch& the_launch, int the_index, const StackPool& stacks)
    : launch(the_launch),
      index(the_index),
      scheduler(Random::mix(the_launch.options->seed + 1) ^ Random::mix(~std::uint64_t(the_index)),
                the_launch.options->switch_probability,
                warps_of(the_launch.shape) * the_launch.shape.cluster) {
  const LaunchShape& shape = launch.shape;
  for (int rank = 0; rank < shape.cluster; ++rank) {
    ctas.push_back(std::make_unique<Cta>(this, index * shape.cluster + rank, rank, shape));
    for (auto& thread : ctas.back()->threads)
      thread->fiber.start(stacks.stack(thread->index_in_cluster), &thread_body, thread.get());
    const auto start = [this, cta = ctas.back().get()] {
      for (auto& thread : cta->threads) scheduler.add(thread.get());
    };
    // A CTA may start long after its peers, whose barriers and memory it must not rely on yet.
    if (shape.cluster == 1 || scheduler.random().one_in(2))
      start();
    else if (scheduler.random().one_in(2))
      scheduler.later(start);
    else
      scheduler.when_stuck(start);
  }
  barrier.live = barrier.missing = shape.threads * shape.cluster;
}

void Cluster::thread_body(void* argument) {
  Thread& thread = *static_cast<Thread*>(argument);
  Cluster& cluster = *thread.cluster;
  thread.cta->started = true;
  cluster.launch.kernel(cluster.launch.params, thread.cta->shared.at(SharedMemory::kBase));
  cluster.end_thread(thread);
}

void Cluster::run() {
  run_until_stuck();
  if (!given_up_ && barrier.live > 0) {
    report_deadlock();
    // Bounded waits now see the clock pass their limit, write down what they waited for and trap.
    constexpr std::int64_t kBeyondAnyLimit = 10'000'000'000;
    clock_offset_ns += kBeyondAnyLimit;
    for (auto& cta : ctas) {
      for (auto& [address, mbarrier] : cta->mbarriers) wake(mbarrier.waiters);
    }
    run_until_stuck();
  }
  for (auto& cta : ctas) {
    for (auto& thread : cta->threads) {
      running = thread.get();
      thread->fiber.unwind();
    }
  }
  running = nullptr;
}

void Cluster::run_until_stuck() {
  while (!given_up_) {
    scheduler.land(false);
    running = scheduler.pick();
    if (running != nullptr) {
      running->fiber.resume();
      if (scheduler.steps() > launch.options->max_steps) {
        report(FindingKind::kDeadlock, running,
               fmt::format("still running after {} primitives", scheduler.steps()));
        return;
      }
    } else if (scheduler.any_later()) {
      scheduler.land(true);
    } else {
      return;
    }
  }
}

void Cluster::yield(Thread& thread) {
  scheduler.add(&thread);
  thread.fiber.suspend();
}

void Cluster::block(Thread& thread, Wait wait, Waiters& waiters) {
  thread.wait = wait;
  waiters.push_back(&thread);
  thread.fiber.suspend();
  thread.wait = {};
}

void Cluster::wake(Waiters& waiters) {
  for (Thread* thread : waiters) scheduler.add(thread);
  waiters.clear();
}

void Cluster::give_up(Thread& thread) {
  given_up_ = true;
  while (true) thread.fiber.suspend();  // left by the exception of unwind()
}

void Cluster::end_thread(Thread& thread) {
  thread.ended = true;
  Warp& warp = *thread.warp;
  ++warp.ended_lanes;
  if (warp.meeting.arrived > 0)
    report(FindingKind::kDivergence, &thread,
           fmt::format("ends while {} lanes of its warp wait for it in {}", warp.meeting.arrived,
                       warp.meeting.instruction));
  --barrier.live;
  if (thread.cluster_phase < barrier.phase && --barrier.missing == 0 && barrier.live > 0) {
    ++barrier.phase;
    barrier.missing = barrier.live;
    wake(barrier.waiters);
  }
  if (--thread.cta->live_threads == 0) check_ended_cta(*thread.cta);
}

void Cluster::check_ended_cta(Cta& cta) {
  for (const auto& [id, use] : cta.outstanding)
    report(FindingKind::kInFlight, cta,
           fmt::format("the CTA ends while a {} of thread {} still uses {}", use.what,
                       use.issuer->index, name_of(use.begin)));
  for (const auto& [address, mbarrier] : cta.mbarriers) {
    if (mbarrier.bytes != 0 && mbarrier.in_flight == 0)
      report(FindingKind::kTransactionMismatch, cta,
             fmt::format("the CTA ends with {} bytes {} {} in phase {}", std::abs(mbarrier.bytes),
                         mbarrier.bytes > 0 ? "missing on" : "too many on", name_of(address),
                         mbarrier.phase));
  }
}

Place Cluster::place_of(const Thread& thread) const {
  Place place{.cluster = index,
              .cta = thread.cta->index,
              .rank = thread.cta->rank,
              .thread = thread.index,
              .role = {},
              .last_wait = {}};
  place.role = launch.options->role_of ? launch.options->role_of(thread.index)
                                       : fmt::format("warp {}", thread.warp->index);
  if (thread.last_barrier == 0) return place;
  place.last_wait = fmt::format("{} in phase {}", name_of(thread.last_barrier), thread.last_phase);
  for (const SharedRegion& region : launch.options->regions) {
    const int offset = static_cast<int>(thread.last_barrier - SharedMemory::kBase) - region.offset;
    if (region.count > 1 && offset >= 0 && offset < region.bytes * region.count)
      place.last_wait += fmt::format(" (turn {} of the ring)",
                                     thread.last_phase * static_cast<std::uint32_t>(region.count) +
                                         static_cast<std::uint32_t>(offset / region.bytes));
  }
  return place;
}

void Cluster::report(FindingKind kind, const Thread* thread, std::string what) {
  const auto [found, fresh] = seen_.try_emplace({kind, thread->warp_in_cluster()}, findings.size());
  if (!fresh) {
    ++findings[found->second].times;
    return;
  }
  findings.push_back({kind, place_of(*thread), std::move(what), 1, {}});
  if (static_cast<int>(findings.size()) >= launch.options->max_findings) given_up_ = true;
}

void Cluster::report(FindingKind kind, const Cta& cta, std::string what) {
  const Place place{.cluster = index,
                    .cta = cta.index,
                    .rank = cta.rank,
                    .thread = -1,
                    .role = {},
                    .last_wait = {}};
  findings.push_back({kind, place, std::move(what), 1, {}});
}

std::string Cluster::name_of(std::uint32_t address) const {
  const int offset = static_cast<int>(address & 0xffffffu) - static_cast<int>(SharedMemory::kBase);
  for (const SharedRegion& region : launch.options->regions) {
    const int into = offset - region.offset;
    if (region.bytes <= 0 || into < 0 || into >= region.bytes * region.count) continue;
    std::string name = region.name;
    if (region.count > 1) name += fmt::format("[{}]", into / region.bytes);
    if (into % region.bytes != 0) name += fmt::format(" + {}", into % region.bytes);
    return name;
  }
  return fmt::format("shared + {}", offset);
}

std::string Cluster::user_of(const Cta& cta, std::uint32_t address, int bytes) const {
  for (const auto& [id, use] : cta.outstanding) {
    if (address < use.end && use.begin < address + static_cast<std::uint32_t>(bytes))
      return fmt::format("a {} of CTA {} thread {}", use.what, use.issuer->cta->index,
                         use.issuer->index);
  }
  return "an asynchronous copy";
}

bool Cluster::check_global(const Thread& thread, const void* at, std::int64_t bytes, Access access,
                           const char* instruction) {
  if (!thread.saw_previous_grid)
    report(FindingKind::kDependency, &thread,
           fmt::format("{} before griddepcontrol.wait in a programmatic launch", instruction));
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  const std::uintptr_t end = begin + static_cast<std::uintptr_t>(bytes);
  const Memory::Range* near = nullptr;
  for (const Memory::Range& range : launch.memory->ranges()) {
    const bool inside = begin >= range.begin && end <= range.end;
    if (inside && (access == Access::kRead || range.access == Access::kReadWrite)) return true;
    if (begin < range.end + 4096 && end + 4096 > range.begin) near = &range;
  }
  if (launch.memory->ranges().empty()) return true;
  std::string where = "far from every registered range";
  if (near != nullptr)
    where = fmt::format("{} bytes from the start of {} ({} bytes, {})",
                        static_cast<std::int64_t>(begin) - static_cast<std::int64_t>(near->begin),
                        near->name, near->end - near->begin,
                        near->access == Access::kRead ? "read only" : "writable");
  report(FindingKind::kOutOfBounds, &thread,
         fmt::format("{} {} {} bytes of global memory, {}", instruction,
                     access == Access::kRead ? "reads" : "writes", bytes, where));
  return false;
}

}  // namespace fathom::emulator
