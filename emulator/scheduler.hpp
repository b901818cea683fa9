// Who runs next, and when copies land: the seeded random schedule of one cluster. Emulator layer.
//
// A seed chooses a temper as well as the single decisions, because hangs and races hide in
// extremes: how often running threads are switched, how strongly some warps are preferred to
// others, and how late asynchronous work lands, from at once to not before everybody else is stuck.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emulator/random.hpp"

namespace fathom::emulator {

struct Thread;

class Scheduler {
 public:
  Scheduler(std::uint64_t seed, double switch_probability, int num_warps);

  /// A thread that may run.
  void add(Thread* thread) { ready_.push_back(thread); }
  /// Takes one of them out; null when there is none.
  Thread* pick();
  bool any_ready() const { return !ready_.empty(); }

  /// Asynchronous work: `land` is called between two threads' turns, some time from now. Work of
  /// one `stream` (not negative) lands in its order.
  void later(std::function<void()> land, int stream = -1);
  /// The same, but not before all threads and all other work are stuck.
  void when_stuck(std::function<void()> land);
  bool any_later() const { return !events_.empty(); }
  /// Lands what is due; with `all_stuck` at least the next.
  void land(bool all_stuck);

  /// One primitive of the running thread; true when it should make room for others.
  bool step();
  std::int64_t steps() const { return steps_; }
  std::int64_t switches() const { return switches_; }
  /// Time of day in primitives.
  std::int64_t now() const { return now_; }
  std::uint64_t trace_hash() const { return trace_hash_; }
  Random& random() { return random_; }

 private:
  struct Event {
    std::int64_t due;
    std::uint64_t order;
    std::function<void()> land;
    bool operator<(const Event& other) const {
      return due != other.due ? due > other.due
                              : order > other.order;  // a heap's top is its largest
    }
  };

  void trace(std::uint64_t what);
  void deal_ranks();
  std::int64_t delay();

  Random random_;
  std::uint32_t switch_threshold_;  // a 32-bit random number below it switches
  int candidates_;                  // ready threads of which the one of the best warp goes on
  std::int64_t latency_;            // of asynchronous work, at most, in primitives
  std::int64_t rank_period_;        // primitives between two orders of the warps
  std::int64_t next_ranks_ = 0;
  std::vector<std::uint32_t> ranks_;  // of the warps; lower goes first
  std::vector<Thread*> ready_;
  std::vector<Event> events_;
  std::vector<std::int64_t> stream_due_;
  std::int64_t now_ = 0, steps_ = 0, switches_ = 0;
  std::uint64_t order_ = 0;
  std::uint64_t trace_hash_;
};

}  // namespace fathom::emulator
