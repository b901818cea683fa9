// Once: what std::call_once does, but a call that throws leaves no trace under the thread sanitizer
// of GCC 12 either, whose pthread_once then waits for ever. Support layer; must not include any
// other layer.
#pragma once

#include <atomic>
#include <mutex>

namespace fathom::support {

class Once {
 public:
  /// Runs `f` unless an earlier call has. Threads that come meanwhile wait. When `f` throws, the
  /// next caller tries again.
  template <typename F>
  void run(const F& f) {
    if (done_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    if (done_.load(std::memory_order_relaxed)) return;
    f();
    done_.store(true, std::memory_order_release);
  }

 private:
  std::atomic<bool> done_ = false;
  std::mutex mutex_;
};

}  // namespace fathom::support
