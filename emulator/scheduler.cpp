#include "emulator/scheduler.hpp"

#include <algorithm>
#include <limits>

#include "emulator/machine.hpp"

namespace fathom::emulator {
namespace {

// Beyond any number of primitives that a test runs: such work waits until all threads are stuck.
constexpr std::int64_t kWhenStuck = std::int64_t{1} << 50;

}  // namespace

Scheduler::Scheduler(std::uint64_t seed, double switch_probability, int num_warps)
    : random_(seed), ranks_(static_cast<std::size_t>(num_warps)), trace_hash_(Random::mix(seed)) {
  constexpr double kSwitch[] = {0.5, 1.0 / 8, 1.0 / 32, 1.0 / 256};
  constexpr int kCandidates[] = {1, 1, 2, 4, 8};
  constexpr std::int64_t kLatency[] = {2, 100, 3000, 30000, kWhenStuck};
  constexpr std::int64_t kRankPeriod[] = {300, 3000, 100000};
  const double drawn = kSwitch[random_.below(std::size(kSwitch))];
  const double chance = switch_probability < 0 ? drawn : std::min(switch_probability, 1.0);
  switch_threshold_ =
      static_cast<std::uint32_t>(chance * std::numeric_limits<std::uint32_t>::max());
  candidates_ = kCandidates[random_.below(std::size(kCandidates))];
  latency_ = kLatency[random_.below(std::size(kLatency))];
  rank_period_ = kRankPeriod[random_.below(std::size(kRankPeriod))];
}

void Scheduler::trace(std::uint64_t what) {
  trace_hash_ = (trace_hash_ ^ what) * 0x100000001b3u;  // FNV-1a, a word at a time
  trace_hash_ ^= trace_hash_ >> 29;
}

void Scheduler::deal_ranks() {
  for (std::uint32_t& rank : ranks_) rank = static_cast<std::uint32_t>(random_.next());
  next_ranks_ = now_ + rank_period_;
}

Thread* Scheduler::pick() {
  if (ready_.empty()) return nullptr;
  if (now_ >= next_ranks_) deal_ranks();
  const auto count = static_cast<std::uint32_t>(ready_.size());
  std::uint32_t best = random_.below(count);
  for (int i = 1; i < candidates_; ++i) {
    const std::uint32_t other = random_.below(count);
    const auto rank_of = [&](std::uint32_t at) {
      return ranks_[static_cast<std::size_t>(ready_[at]->warp_in_cluster())];
    };
    if (rank_of(other) < rank_of(best)) best = other;
  }
  Thread* thread = ready_[best];
  ready_[best] = ready_.back();
  ready_.pop_back();
  ++switches_;
  trace(static_cast<std::uint64_t>(thread->index_in_cluster));
  return thread;
}

std::int64_t Scheduler::delay() {
  // One in eight goes against the temper, so that early and late copies meet in one schedule.
  const std::int64_t longest = random_.one_in(8) ? (random_.one_in(2) ? 2 : 3000) : latency_;
  if (longest == kWhenStuck) return kWhenStuck + random_.below(1000);
  return 1 + random_.below(static_cast<std::uint32_t>(longest));
}

void Scheduler::later(std::function<void()> land, int stream) {
  std::int64_t due = now_ + delay();
  if (stream >= 0) {
    if (stream >= static_cast<int>(stream_due_.size()))
      stream_due_.resize(static_cast<std::size_t>(stream) + 1);
    std::int64_t& last = stream_due_[static_cast<std::size_t>(stream)];
    last = due = std::max(due, last);
  }
  events_.push_back({due, order_++, std::move(land)});
  std::push_heap(events_.begin(), events_.end());
}

void Scheduler::when_stuck(std::function<void()> land) {
  events_.push_back({2 * kWhenStuck, order_++, std::move(land)});
  std::push_heap(events_.begin(), events_.end());
}

void Scheduler::land(bool all_stuck) {
  while (!events_.empty() && (all_stuck || events_.front().due <= now_)) {
    std::pop_heap(events_.begin(), events_.end());
    Event event = std::move(events_.back());
    events_.pop_back();
    if (event.due < kWhenStuck) now_ = std::max(now_, event.due);
    trace(event.order << 32);
    event.land();
    all_stuck = false;
  }
}

bool Scheduler::step() {
  ++steps_;
  ++now_;
  if (!events_.empty() && events_.front().due <= now_) return true;
  return static_cast<std::uint32_t>(random_.next() >> 32) < switch_threshold_;
}

}  // namespace fathom::emulator
