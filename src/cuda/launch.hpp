// One kernel launch in its general form. Runtime layer; knows no kernel.
#pragma once

#include <cstdint>
#include <optional>

#include "cuda/library.hpp"

namespace fathom::cuda {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  bool operator==(const Dim3&) const = default;
};

struct LaunchShape {
  Dim3 grid{};
  Dim3 block{};
  Dim3 cluster{};
  int shared_bytes = 0;
  bool programmatic = false;  ///< may start before the previous kernel of the stream has ended
  bool cooperative = false;   ///< all blocks resident at once
  std::optional<int> priority{};
};

/// Enqueues the kernel on `stream` (a stream of its device; null = that device's default stream).
/// `params` points to the kernel's parameters, in order. Allocates nothing, waits for nothing.
/// Throws Error(kDriver) with all that was passed.
void launch(const Function& function, const LaunchShape& shape, abi::Stream stream, void** params);

}  // namespace fathom::cuda
