// Device properties, primary contexts and guards. Runtime layer.
#include "cuda/device.hpp"

#include <fmt/format.h>

#include <array>

#include <fathom/error.hpp>

namespace fathom::cuda {
namespace {

DeviceInfo query(const Driver& driver, int ordinal, abi::DeviceId id) {
  const std::string doing = fmt::format("asking for the properties of CUDA device {}", ordinal);
  const auto attribute = [&](abi::DeviceAttribute which) {
    int value = 0;
    driver.check(driver.api().device_get_attribute(&value, which, id), "cuDeviceGetAttribute",
                 doing);
    return value;
  };
  // Clocks are for display and for the planner's model: a driver that hides them is no reason to
  // stop.
  const auto attribute_or_zero = [&](abi::DeviceAttribute which) {
    int value = 0;
    return driver.api().device_get_attribute(&value, which, id) == abi::kSuccess ? value : 0;
  };
  using enum abi::DeviceAttribute;
  DeviceInfo info;
  info.ordinal = ordinal;
  std::array<char, 256> name{};
  driver.check(driver.api().device_get_name(name.data(), static_cast<int>(name.size() - 1), id),
               "cuDeviceGetName", doing);
  info.name = name.data();
  std::size_t bytes = 0;
  driver.check(driver.api().device_total_mem(&bytes, id), "cuDeviceTotalMem", doing);
  info.memory_bytes = static_cast<std::int64_t>(bytes);
  info.compute_major = attribute(kComputeCapabilityMajor);
  info.compute_minor = attribute(kComputeCapabilityMinor);
  info.num_sms = attribute(kMultiprocessorCount);
  info.l2_bytes = attribute(kL2CacheSize);
  info.shared_bytes_per_block = attribute(kMaxSharedMemoryPerBlockOptin);
  info.clock_khz = attribute_or_zero(kClockRate);
  info.memory_clock_khz = attribute_or_zero(kMemoryClockRate);
  info.memory_bus_bits = attribute_or_zero(kMemoryBusWidth);
  info.reads_pageable_memory = attribute_or_zero(kPageableMemoryAccess) != 0;
  info.driver_version = driver.version();
  info.own_kernels = driver.own_kernels();
  return info;
}

}  // namespace

Device::Device(const Driver& driver, int ordinal) : driver_(driver) {
  const std::string doing = fmt::format("opening CUDA device {}", ordinal);
  abi::DeviceId id = 0;
  driver.check(driver.api().device_get(&id, ordinal), "cuDeviceGet", doing);
  info_ = query(driver, ordinal, id);
  // Never released: launches of other threads and the runtime API share the primary context to the
  // end of the process.
  driver.check(driver.api().device_primary_ctx_retain(&context_, id), "cuDevicePrimaryCtxRetain",
               doing);
}

void Device::require_hopper() const {
  if (info_.compute_major == 9 && info_.compute_minor == 0) return;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("choosing a GPU kernel: CUDA device {} is {} with compute capability {}.{}; the "
                  "kernels need 9.0 (Hopper: H100, H200, H20, GH200); move the tensors to such a "
                  "device or to the CPU",
                  info_.ordinal, info_.name, info_.compute_major, info_.compute_minor));
}

void Device::require_accessible(const void* pointer, std::string_view what) const {
  int ordinal = -1;
  const ContextGuard guard(*this);
  const abi::Result result =
      driver_.api().pointer_get_attribute(&ordinal, abi::PointerAttribute::kDeviceOrdinal,
                                          reinterpret_cast<abi::DevicePointer>(pointer));
  if (result == abi::kSuccess || info_.reads_pageable_memory) return;
  if (result != abi::kErrorInvalidValue) {
    driver_.fail(result, "cuPointerGetAttribute", fmt::format("checking the address of {}", what));
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("{} is said to lie on CUDA device {}, but its address {} is not memory that CUDA "
                  "knows; it needs device memory; copy it to the GPU or call with CPU tensors",
                  what, info_.ordinal, fmt::ptr(pointer)));
}

ContextGuard::ContextGuard(const Device& device) : device_(device) {
  const Driver& driver = device.driver();
  abi::Context current = nullptr;
  driver.check(driver.api().ctx_get_current(&current), "cuCtxGetCurrent",
               "reading the current context");
  if (current == device.context()) return;
  driver.check(driver.api().ctx_push_current(device.context()), "cuCtxPushCurrent",
               fmt::format("making CUDA device {} current", device.info().ordinal));
  pushed_ = true;
}

ContextGuard::~ContextGuard() {
  abi::Context popped = nullptr;
  // A failure here can only mean that the process is shutting down; a destructor has nobody to
  // tell.
  if (pushed_) device_.driver().api().ctx_pop_current(&popped);
}

CaptureModeGuard::CaptureModeGuard(const Driver& driver) : driver_(driver) {
  driver.check(driver.api().thread_exchange_stream_capture_mode(&mode_),
               "cuThreadExchangeStreamCaptureMode", "preparing a kernel");
}

CaptureModeGuard::~CaptureModeGuard() {
  driver_.api().thread_exchange_stream_capture_mode(&mode_);
}

}  // namespace fathom::cuda
