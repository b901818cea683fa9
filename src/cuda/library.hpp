// Compiled kernels in the driver: a cubin becomes a library once per process, a kernel becomes a
// launchable function once per device. Runtime layer; knows no kernel. Nothing is ever unloaded
// (see driver.hpp).
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "cuda/abi.hpp"
#include "cuda/driver.hpp"

namespace fathom::cuda {

class Device;

/// A kernel that is loaded on one device and ready to launch; a plain value, valid to the end of
/// the process.
struct Function {
  abi::Function handle = nullptr;
  const Device* device = nullptr;
  std::string name;
  int num_registers = 0;
  int local_bytes = 0;  ///< spills and stack of one thread
  int static_shared_bytes = 0;
  int max_threads = 0;           ///< of a block, as compiled
  int dynamic_shared_bytes = 0;  ///< opted in to
};

class Library {
 public:
  Library(const Driver& driver, std::string key) : driver_(driver), key_(std::move(key)) {}

  /// Loads the cubin that `image` returns, unless loaded already. What `image` throws comes
  /// through, and the next caller tries again.
  void load_once(const std::function<std::string()>& image);
  /// The kernel `name` on `device`, with `shared_bytes` of dynamic shared memory allowed, loaded to
  /// the last byte: a launch of it loads nothing. Thread-safe; the first call for a (device, name)
  /// does the work.
  Function function(const Device& device, const std::string& name, int shared_bytes) const;

 private:
  Function load_function(const Device& device, const std::string& name, int shared_bytes) const;

  const Driver& driver_;
  std::string key_;
  abi::Library handle_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<int, std::string>, Function> functions_;
};

}  // namespace fathom::cuda
