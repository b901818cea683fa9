// Independent pieces of work over a few threads. CPU backend; threads live for one call only, so
// that loading or having used Fathom leaves none behind.
#pragma once

#include <cstdint>
#include <functional>

namespace fathom::cpu {

/// Cores that the affinity mask allows: a container or taskset that grants two cores of a large
/// machine gets two.
int usable_cores();

/// Calls work(thread, i) for i in [0, count) from up to `threads` threads, the caller's among them;
/// `thread` counts them from 0. Pieces are handed out in order as threads fall free. Rethrows the
/// first exception after all threads have stopped.
void parallel_for(std::int64_t count, int threads,
                  const std::function<void(int thread, std::int64_t i)>& work);

}  // namespace fathom::cpu
