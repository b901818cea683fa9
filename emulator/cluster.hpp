// One cluster at work: its threads on fibers, their turns, and what is found wrong. Emulator layer,
// inside. The functions of ptx/ reach it through self().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emulator/machine.hpp"
#include "emulator/poison.hpp"

namespace fathom::emulator {

struct Launch {
  KernelEntry kernel = nullptr;
  LaunchShape shape;
  const void* params = nullptr;
  std::size_t param_bytes = 0;
  const Memory* memory = nullptr;
  const Options* options = nullptr;
};

class Cluster {
 public:
  Cluster(const Launch& launch, int index, const StackPool& stacks);

  /// To the end, or to the first finding that leaves nothing to run.
  void run();

  // --- for the functions of ptx/, on behalf of the running thread ---

  /// At the start of every primitive: others may run first.
  void step(Thread& thread) {
    if (scheduler.step()) yield(thread);
  }
  void yield(Thread& thread);
  /// Until somebody wakes `waiters`. The caller looks again whether what it waits for is there.
  void block(Thread& thread, Wait wait, Waiters& waiters);
  void wake(Waiters& waiters);
  /// Ends the whole cluster's run; does not return to the kernel.
  [[noreturn]] void give_up(Thread& thread);

  void report(FindingKind kind, const Thread* thread, std::string what);
  void report(FindingKind kind, const Cta& cta, std::string what);
  /// "full[2]" after Options::regions, or "shared + 4096" from the start of dynamic shared memory.
  std::string name_of(std::uint32_t address) const;
  /// "TMA load by CTA 0 thread 256" of what is outstanding on `bytes` at `address`.
  std::string user_of(const Cta& cta, std::uint32_t address, int bytes) const;

  /// Whether the thread may touch global memory there; reports when not.
  bool check_global(const Thread& thread, const void* at, std::int64_t bytes, Access access,
                    const char* instruction);

  Launch launch;
  int index;
  Scheduler scheduler;
  Poisons poisons;
  std::vector<std::unique_ptr<Cta>> ctas;
  ClusterBarrier barrier;
  std::uint64_t next_outstanding = 0;
  /// Nanoseconds that a hanging cluster's bounded waits are given, once, to see that they wait in
  /// vain.
  std::int64_t clock_offset_ns = 0;

  std::vector<Finding> findings;

 private:
  static void thread_body(void* thread);
  void end_thread(Thread& thread);
  void check_ended_cta(Cta& cta);
  void run_until_stuck();
  void report_deadlock();
  Place place_of(const Thread& thread) const;

  bool given_up_ = false;
  std::map<std::pair<FindingKind, int>, std::size_t> seen_;  // by kind and warp
};

/// The thread that runs on this core now.
Thread& self();

}  // namespace fathom::emulator
