// A value that is made when it is first asked for, by whichever thread asks first. Front end.
#pragma once

#include <memory>

#include "support/once.hpp"

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
    once_.run([&] { value_ = make(); });
    return *value_;
  }

 private:
  support::Once once_;
  std::shared_ptr<T> value_;
};

}  // namespace fathom::api
