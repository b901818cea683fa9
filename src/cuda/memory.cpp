// Owned device memory, streams and events. Runtime layer.
#include "cuda/memory.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <map>
#include <mutex>

#include <fathom/error.hpp>

namespace fathom::cuda {

Buffer::Buffer(const Device& device, std::int64_t bytes) : device_(&device), bytes_(bytes) {
  if (bytes == 0) return;
  const ContextGuard guard(device);
  device.driver().check(
      device.driver().api().mem_alloc(&pointer_, static_cast<std::size_t>(bytes)), "cuMemAlloc",
      fmt::format("allocating {} bytes on CUDA device {}", bytes, device.info().ordinal));
}

Buffer::~Buffer() {
  if (pointer_ == 0) return;
  const abi::Api& api = device_->driver().api();
  // No ContextGuard: it throws, and a failure here can only mean that the process is shutting down.
  if (api.ctx_push_current(device_->context()) != abi::kSuccess) return;
  api.mem_free(pointer_);
  abi::Context popped = nullptr;
  api.ctx_pop_current(&popped);
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(pointer_, other.pointer_);
  std::swap(bytes_, other.bytes_);
}

void Buffer::require_range(std::int64_t bytes, std::int64_t offset) const {
  if (offset >= 0 && bytes >= 0 && offset <= bytes_ && bytes <= bytes_ - offset) return;
  throw Error(ErrorCode::kInternal, fmt::format("copying {} bytes at offset {} of a device buffer "
                                                "that has {}; the range must lie inside; "
                                                "please report this",
                                                bytes, offset, bytes_));
}

void Buffer::upload(const void* from, std::int64_t bytes, std::int64_t offset, abi::Stream stream) {
  require_range(bytes, offset);
  if (bytes == 0) return;
  const Driver& driver = device_->driver();
  const ContextGuard guard(*device_);
  const auto to = pointer_ + static_cast<abi::DevicePointer>(offset);
  driver.check(driver.api().memcpy_htod_async(to, from, static_cast<std::size_t>(bytes), stream),
               "cuMemcpyHtoDAsync", "copying to the device");
  driver.check(driver.api().stream_synchronize(stream), "cuStreamSynchronize",
               "copying to the device");
}

void Buffer::download(void* to, std::int64_t bytes, std::int64_t offset, abi::Stream stream) const {
  require_range(bytes, offset);
  if (bytes == 0) return;
  copy_to_host(*device_, to, static_cast<const std::byte*>(data()) + offset, bytes, stream);
}

void Buffer::fill(unsigned char value, abi::Stream stream) {
  if (bytes_ == 0) return;
  const ContextGuard guard(*device_);
  device_->driver().check(device_->driver().api().memset_d8_async(
                              pointer_, value, static_cast<std::size_t>(bytes_), stream),
                          "cuMemsetD8Async", "filling device memory");
}

void set_zero(const Device& device, void* data, std::int64_t rows, std::int64_t row_bytes,
              std::int64_t pitch_bytes, abi::Stream stream) {
  const ContextGuard guard(device);
  device.driver().check(
      device.driver().api().memset_d2d8_async(
          reinterpret_cast<abi::DevicePointer>(data), static_cast<std::size_t>(pitch_bytes), 0,
          static_cast<std::size_t>(row_bytes), static_cast<std::size_t>(rows), stream),
      "cuMemsetD2D8Async", "setting a result to zero");
}

const void* zeros(const Device& device) {
  static std::mutex mutex;
  static auto& buffers = *new std::map<const Device*, Buffer>;  // never freed
  const std::lock_guard lock(mutex);
  Buffer& kept = buffers[&device];
  if (kept.bytes() == 0) {
    const CaptureModeGuard capture(device.driver());
    const Stream stream(device);  // one that nobody captures
    Buffer made(device, 16);
    made.fill(0, stream.handle());
    stream.synchronize();
    kept = std::move(made);
  }
  return kept.data();
}

void copy_to_host(const Device& device, void* to, const void* from, std::int64_t bytes,
                  abi::Stream stream) {
  const Driver& driver = device.driver();
  const ContextGuard guard(device);
  driver.check(driver.api().memcpy_dtoh_async(to, std::bit_cast<abi::DevicePointer>(from),
                                              static_cast<std::size_t>(bytes), stream),
               "cuMemcpyDtoHAsync", "copying from the device");
  driver.check(driver.api().stream_synchronize(stream), "cuStreamSynchronize",
               "copying from the device");
}

Stream::Stream(const Device& device) : device_(device) {
  const ContextGuard guard(device);
  device.driver().check(device.driver().api().stream_create(&handle_, abi::kStreamNonBlocking),
                        "cuStreamCreate", "creating a stream");
}

Stream::~Stream() {
  device_.driver().api().stream_destroy(handle_);
}

void Stream::synchronize() const {
  const ContextGuard guard(device_);
  device_.driver().check(device_.driver().api().stream_synchronize(handle_), "cuStreamSynchronize",
                         "waiting for a stream");
}

void Stream::begin_capture(abi::CaptureMode mode) const {
  const ContextGuard guard(device_);
  device_.driver().check(device_.driver().api().stream_begin_capture(handle_, mode),
                         "cuStreamBeginCapture", "capturing a graph");
}

abi::GraphExec Stream::end_capture() const {
  const Driver& driver = device_.driver();
  const ContextGuard guard(device_);
  abi::Graph graph = nullptr;
  abi::GraphExec exec = nullptr;
  driver.check(driver.api().stream_end_capture(handle_, &graph), "cuStreamEndCapture",
               "capturing a graph");
  const abi::Result result = driver.api().graph_instantiate(&exec, graph, 0);
  driver.api().graph_destroy(graph);
  driver.check(result, "cuGraphInstantiateWithFlags", "instantiating a captured graph");
  return exec;
}

void Stream::replay(abi::GraphExec graph) const {
  const ContextGuard guard(device_);
  device_.driver().check(device_.driver().api().graph_launch(graph, handle_), "cuGraphLaunch",
                         "replaying a graph");
}

void Stream::destroy_graph(abi::GraphExec graph) const {
  device_.driver().api().graph_exec_destroy(graph);
}

Event::Event(const Device& device) : device_(device) {
  const ContextGuard guard(device);
  device.driver().check(device.driver().api().event_create(&handle_, 0), "cuEventCreate",
                        "creating an event");
}

Event::~Event() {
  device_.driver().api().event_destroy(handle_);
}

void Event::record(abi::Stream stream) const {
  const ContextGuard guard(device_);
  device_.driver().check(device_.driver().api().event_record(handle_, stream), "cuEventRecord",
                         "timing a stream");
}

void Event::synchronize() const {
  const ContextGuard guard(device_);
  device_.driver().check(device_.driver().api().event_synchronize(handle_), "cuEventSynchronize",
                         "timing a stream");
}

float Event::milliseconds_since(const Event& start) const {
  float milliseconds = 0;
  device_.driver().check(
      device_.driver().api().event_elapsed_time(&milliseconds, start.handle_, handle_),
      "cuEventElapsedTime", "timing a stream");
  return milliseconds;
}

}  // namespace fathom::cuda
