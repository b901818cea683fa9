// Says who waits for what once nothing moves any more. Emulator layer, inside.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <tuple>

#include "emulator/cluster.hpp"

namespace fathom::emulator {
namespace {

std::string bytes_text(std::int64_t bytes) {
  if (bytes > 0) return fmt::format(", {} bytes missing", bytes);
  return bytes < 0 ? fmt::format(", {} bytes too many", -bytes) : std::string();
}

std::string mbarrier_text(const Cluster& cluster, const Cta& cta, const Wait& wait) {
  const auto found = cta.mbarriers.find(wait.object);
  const std::string name = cluster.name_of(wait.object);
  if (found == cta.mbarriers.end()) return name + ", which is not initialised";
  const Mbarrier& b = found->second;
  return fmt::format(
      "{}, the end of a phase of parity {}; it is in phase {}: {} of {} arrivals missing{}", name,
      wait.phase, b.phase, b.pending, b.arrivals, bytes_text(b.bytes));
}

std::string named_barrier_text(const Cta& cta, std::uint32_t id) {
  const NamedBarrier& b = cta.named[id];
  return fmt::format("barrier {}: {} of {} threads are there", id, b.arrived, b.threads);
}

std::string meeting_text(const Warp& warp) {
  return fmt::format("the other lanes in {}: {} of {} are there, {} have ended",
                     warp.meeting.instruction, warp.meeting.arrived, kWarpThreads,
                     warp.ended_lanes);
}

std::string wait_text(const Cluster& cluster, const Thread& thread) {
  const Wait& wait = thread.wait;
  switch (wait.what) {
    case Wait::For::kMbarrier:
      return mbarrier_text(cluster, *thread.cta, wait);
    case Wait::For::kNamedBarrier:
      return named_barrier_text(*thread.cta, wait.object);
    case Wait::For::kClusterBarrier:
      return fmt::format("the cluster barrier: {} of {} living threads have not arrived",
                         cluster.barrier.missing, cluster.barrier.live);
    case Wait::For::kWarp:
      return meeting_text(*thread.warp);
    case Wait::For::kProducts:
      return "its wgmma groups";
    case Wait::For::kBulkGroups:
      return "its bulk groups";
    case Wait::For::kRegisters:
      return fmt::format("{} registers a thread; the CTA's pool has {} to give", wait.object,
                         thread.cta->free_registers);
    case Wait::For::kNothing:
      break;
  }
  return "nothing";
}

}  // namespace

void Cluster::report_deadlock() {
  std::map<std::tuple<int, std::string>, std::set<int>> groups;  // (rank, wait) -> warps
  std::map<std::tuple<int, std::string>, int> counts;
  const Thread* first = nullptr;
  FindingKind kind = FindingKind::kDeadlock;
  std::set<std::pair<int, std::uint32_t>> reported;
  for (auto& cta : ctas) {
    for (auto& thread : cta->threads) {
      if (thread->ended) continue;
      if (first == nullptr) first = thread.get();
      const auto key = std::make_tuple(cta->rank, wait_text(*this, *thread));
      groups[key].insert(thread->warp->index);
      ++counts[key];
      if (thread->wait.what == Wait::For::kRegisters) kind = FindingKind::kRegisterBudget;
      if (thread->wait.what != Wait::For::kMbarrier) continue;
      const auto found = cta->mbarriers.find(thread->wait.object);
      if (found == cta->mbarriers.end() || found->second.bytes == 0) continue;
      if (found->second.in_flight > 0 || !reported.insert({cta->rank, found->first}).second)
        continue;
      report(FindingKind::kTransactionMismatch, *cta,
             fmt::format("{} hangs in phase {}: {} of {} arrivals missing{}, nothing on its way",
                         name_of(found->first), found->second.phase, found->second.pending,
                         found->second.arrivals, bytes_text(found->second.bytes)));
    }
  }
  Finding finding{kind, place_of(*first), "nobody can go on", 1, {}};
  finding.place.thread = -1;
  finding.place.role.clear();
  finding.place.last_wait.clear();
  for (const auto& [key, warps] : groups)
    finding.details.push_back(fmt::format("CTA {}: {} threads of warps {} wait for {}",
                                          index * launch.shape.cluster + std::get<0>(key),
                                          counts[key], fmt::join(warps, " "), std::get<1>(key)));
  for (const auto& cta : ctas) {
    if (cta->ended()) finding.details.push_back(fmt::format("CTA {} has ended", cta->index));
  }
  findings.push_back(std::move(finding));
}

}  // namespace fathom::emulator
