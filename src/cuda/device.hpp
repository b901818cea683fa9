// One CUDA device: what it is, its primary context, and the guard that makes that context current.
// Runtime layer; knows no kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/driver.hpp"

namespace fathom::cuda {

struct DeviceInfo {
  int ordinal = 0;
  std::string name;
  int compute_major = 0, compute_minor = 0;
  int num_sms = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t shared_bytes_per_block = 0;  ///< the most a block may opt in to
  int clock_khz = 0;                        ///< highest SM clock; 0 = the driver does not say
  int memory_clock_khz = 0;                 ///< 0 = the driver does not say
  int memory_bus_bits = 0;
  int driver_version = 0;                  ///< 13000 for 13.0
  bool reads_pageable_memory = false;      ///< ordinary host memory is addressable by kernels
  std::vector<std::string> own_kernels{};  ///< Driver::own_kernels
};

class Device {
 public:
  Device(const Driver& driver, int ordinal);

  const Driver& driver() const { return driver_; }
  const DeviceInfo& info() const { return info_; }
  abi::Context context() const { return context_; }
  /// Throws Error(kUnsupported) that names this device unless it is sm_90.
  void require_hopper() const;
  /// Throws Error(kInvalidArgument) unless CUDA knows `pointer` or this device reads any memory;
  /// `what` names it in the message. Memory of another GPU passes: with peer access it is as good,
  /// and the driver does not tell whether that is enabled. Asks the driver, reads no data.
  void require_accessible(const void* pointer, std::string_view what) const;

 private:
  const Driver& driver_;
  DeviceInfo info_;
  abi::Context context_ = nullptr;
};

/// Makes the device's primary context current for this thread until the end of the scope; whatever
/// was current before is current again afterwards. When it is current already, this is one cheap
/// query.
class ContextGuard {
 public:
  explicit ContextGuard(const Device& device);
  ~ContextGuard();
  ContextGuard(const ContextGuard&) = delete;
  ContextGuard& operator=(const ContextGuard&) = delete;

 private:
  const Device& device_;
  bool pushed_ = false;
};

/// Lets this thread allocate and load kernels while some stream captures a graph: such calls
/// concern no capture, but the driver refuses them in the default mode. The former mode comes back
/// at the end of the scope.
class CaptureModeGuard {
 public:
  explicit CaptureModeGuard(const Driver& driver);
  ~CaptureModeGuard();
  CaptureModeGuard(const CaptureModeGuard&) = delete;
  CaptureModeGuard& operator=(const CaptureModeGuard&) = delete;

 private:
  const Driver& driver_;
  abi::CaptureMode mode_ = abi::CaptureMode::kRelaxed;
};

}  // namespace fathom::cuda
