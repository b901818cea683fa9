// A value that is made when it is first asked for, by whichever thread asks first. Front end.
#pragma once

#include <memory>
#include <mutex>

namespace fathom::api {

/// Shared state of a Context that costs something to make (a thread pool, a loaded library, a
/// driver). T may be incomplete where the Lazy is declared. When making it throws, nothing is kept
/// and the next call tries again.
template <typename T>
class Lazy {
 public:
  /// `make` returns std::shared_ptr<T>.
  template <typename Make>
  T& get(Make&& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!value_) value_ = make();
    return *value_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<T> value_;
};

}  // namespace fathom::api
