// Independent pieces of work over a few threads. See parallel.hpp.
#include "cpu/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace fathom::cpu {

int usable_cores() {
  constexpr int kMaxCores = 8192;  // the kernel's own largest NR_CPUS
  const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> cores(
      CPU_ALLOC(kMaxCores), [](cpu_set_t* set) { CPU_FREE(set); });
  const std::size_t bytes = CPU_ALLOC_SIZE(kMaxCores);
  if (!cores || sched_getaffinity(0, bytes, cores.get()) != 0) return 1;
  return CPU_COUNT_S(bytes, cores.get());
}

void parallel_for(std::int64_t count, int threads,
                  const std::function<void(int thread, std::int64_t i)>& work) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr first_error;
  std::mutex mutex;
  const auto run = [&](int thread) {
    try {
      for (std::int64_t i = next++; i < count; i = next++) work(thread, i);
    } catch (...) {
      next = count;  // the others stop at their next piece
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int t = 1; t < std::min<std::int64_t>(threads, count); ++t) {
      try {
        helpers.emplace_back(run, t);
      } catch (const std::system_error&) {
        break;  // the process may start no more threads: fewer do the same work
      }
    }
    run(0);
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace fathom::cpu
