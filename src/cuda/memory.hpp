// Device memory, streams, events and graphs as owned objects, for the command line, the benchmarks
// and the tests. The operations themselves own none of these, but share the zeros of a device.
// Runtime layer; knows no kernel.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "cuda/device.hpp"

namespace fathom::cuda {

/// Device memory; freed at the end of the scope. The driver aligns it to 256 bytes or more.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Device& device, std::int64_t bytes);
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer();

  void* data() const { return std::bit_cast<void*>(pointer_); }
  std::int64_t bytes() const { return bytes_; }
  /// Copies between host memory and this buffer, ordered in `stream`, complete on return.
  void upload(const void* from, std::int64_t bytes, std::int64_t offset = 0,
              abi::Stream stream = nullptr);
  void download(void* to, std::int64_t bytes, std::int64_t offset = 0,
                abi::Stream stream = nullptr) const;
  /// Sets every byte, ordered in `stream`; returns before it is done.
  void fill(unsigned char value, abi::Stream stream = nullptr);

 private:
  void swap(Buffer& other) noexcept;
  void require_range(std::int64_t bytes, std::int64_t offset) const;

  const Device* device_ = nullptr;
  abi::DevicePointer pointer_ = 0;
  std::int64_t bytes_ = 0;
};

/// Sets `rows` rows of `row_bytes` bytes, `pitch_bytes` apart, to zero, ordered in `stream`.
/// Allocates nothing, waits for nothing.
void set_zero(const Device& device, void* data, std::int64_t rows, std::int64_t row_bytes,
              std::int64_t pitch_bytes, abi::Stream stream);

/// 16 bytes of zeros on the device, which any stream may read to the end of the process: a graph
/// may hold their address. The first call for a device makes them, also while a stream captures.
const void* zeros(const Device& device);

/// Copies from device memory of anybody's, ordered in `stream`, complete on return.
void copy_to_host(const Device& device, void* to, const void* from, std::int64_t bytes,
                  abi::Stream stream);

class Stream {
 public:
  explicit Stream(const Device& device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  abi::Stream handle() const { return handle_; }
  void synchronize() const;
  void begin_capture(abi::CaptureMode mode = abi::CaptureMode::kGlobal) const;
  /// What was captured, ready to replay; the caller destroys it with destroy_graph.
  abi::GraphExec end_capture() const;
  void replay(abi::GraphExec graph) const;
  void destroy_graph(abi::GraphExec graph) const;

 private:
  const Device& device_;
  abi::Stream handle_ = nullptr;
};

class Event {
 public:
  explicit Event(const Device& device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(abi::Stream stream) const;
  void synchronize() const;
  /// Milliseconds from `start` to this event; both have happened.
  float milliseconds_since(const Event& start) const;

 private:
  const Device& device_;
  abi::Event handle_ = nullptr;
};

}  // namespace fathom::cuda
