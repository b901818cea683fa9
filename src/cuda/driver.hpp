// The CUDA driver, loaded at run time: entry points, error texts, devices, loaded kernels. Runtime
// layer; knows no kernel and includes nothing above support/.
//
// A Driver lives to the end of the process on purpose: at exit the driver library may be torn down
// before us, and unloading what another thread still launches is a crash; the memory is a few
// kilobytes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/abi.hpp"

namespace fathom::cuda {

class Device;
class Library;

class Driver {
 public:
  /// The driver behind `path` (empty = libcuda.so.1), loaded and initialised at the first call, the
  /// same object afterwards. Throws Error(kNoDevice) that names what was tried.
  static const Driver& load(const std::string& path = {});

  const abi::Api& api() const { return api_; }
  const std::string& path() const { return path_; }
  /// 13000 for 13.0: the newest CUDA version that this driver runs.
  int version() const { return version_; }
  int device_count() const { return device_count_; }
  /// The C names of the kernels that the library brings along (the emulator's does): it runs these
  /// and no others, whatever image it is given. Empty for NVIDIA's driver.
  const std::vector<std::string>& own_kernels() const { return own_kernels_; }
  /// The device of this ordinal, its primary context retained. Throws Error(kInvalidArgument) when
  /// there is none.
  const Device& device(int ordinal) const;
  /// The library of kernels under `key`; `image` gives its cubin and is called at most once per
  /// key. One key must always mean the same bytes. Threads that ask for the same key at once wait
  /// for the first.
  const Library& library(const std::string& key, const std::function<std::string()>& image) const;

  /// "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory"
  std::string describe(abi::Result result) const;
  /// Throws Error(kDriver) "<doing>: <call> failed with <describe(result)>" unless the call
  /// succeeded. The fast path is inline.
  void check(abi::Result result, std::string_view call, std::string_view doing) const {
    if (result != abi::kSuccess) fail(result, call, doing);
  }
  [[noreturn]] void fail(abi::Result result, std::string_view call, std::string_view doing) const;

  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

 private:
  struct State;
  explicit Driver(const std::string& path);
  ~Driver() = delete;

  abi::Api api_{};
  std::string path_;
  std::vector<std::string> own_kernels_;
  int version_ = 0;
  int device_count_ = 0;
  State* state_;
};

}  // namespace fathom::cuda
