// Memory of the recording driver: device memory is host memory, and everything happens at once.
// Emulator layer, driver.
#include <cstdlib>
#include <cstring>

#include "emulator/driver/recorder.hpp"

using namespace recording_cuda;

namespace {

constexpr std::size_t kAlignment = 256;  // what cuMemAlloc grants

/// The allocation that holds [pointer, pointer + bytes), or null.
const Allocation* find(State& s, abi::DevicePointer pointer, std::size_t bytes) {
  auto after = s.memory.upper_bound(pointer);
  if (after == s.memory.begin()) return nullptr;
  const auto& [base, allocation] = *--after;
  return pointer - base <= allocation.bytes && bytes <= allocation.bytes - (pointer - base)
             ? &allocation
             : nullptr;
}

void* host(abi::DevicePointer pointer) {
  return reinterpret_cast<void*>(pointer);
}

}  // namespace

RECORDING_CUDA_EXPORT abi::Result cuMemAlloc_v2(abi::DevicePointer* pointer, std::size_t bytes) {
  return record_context_call(
      "cuMemAlloc", fmt::format("bytes={}", bytes),
      [&](State& s, std::string& text) -> abi::Result {
        if (const abi::Result conflict = capture_conflict(s); conflict != abi::kSuccess)
          return conflict;
        if (bytes == 0) return abi::kErrorInvalidValue;
        const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        void* memory = std::aligned_alloc(kAlignment, rounded);
        if (memory == nullptr) return abi::kErrorOutOfMemory;
        *pointer = reinterpret_cast<abi::DevicePointer>(memory);
        s.memory.emplace(*pointer, Allocation{bytes,
                                              context_stack().back()->device,
                                              {static_cast<unsigned char*>(memory), std::free}});
        text += fmt::format(" pointer={}", memory);
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuMemFree_v2(abi::DevicePointer pointer) {
  return record_context_call(
      "cuMemFree", fmt::format("pointer={}", host(pointer)),
      [&](State& s, std::string&) -> abi::Result {
        if (const abi::Result conflict = capture_conflict(s); conflict != abi::kSuccess)
          return conflict;
        return s.memory.erase(pointer) == 1 ? abi::kSuccess : abi::kErrorInvalidValue;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuMemcpyHtoDAsync_v2(abi::DevicePointer to, const void* from,
                                                       std::size_t bytes, abi::Stream) {
  return record_context_call("cuMemcpyHtoDAsync", fmt::format("to={} bytes={}", host(to), bytes),
                             [&](State& s, std::string&) -> abi::Result {
                               if (find(s, to, bytes) == nullptr) return abi::kErrorInvalidValue;
                               std::memcpy(host(to), from, bytes);
                               return abi::kSuccess;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuMemcpyDtoHAsync_v2(void* to, abi::DevicePointer from,
                                                       std::size_t bytes, abi::Stream) {
  return record_context_call("cuMemcpyDtoHAsync",
                             fmt::format("from={} bytes={}", host(from), bytes),
                             [&](State& s, std::string&) -> abi::Result {
                               if (find(s, from, bytes) == nullptr) return abi::kErrorInvalidValue;
                               std::memcpy(to, host(from), bytes);
                               return abi::kSuccess;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuMemsetD8Async(abi::DevicePointer to, unsigned char value,
                                                  std::size_t bytes, abi::Stream stream) {
  return record_context_call(
      "cuMemsetD8Async",
      fmt::format("to={} value={} bytes={} stream={}", host(to), value, bytes, fmt::ptr(stream)),
      [&](State& s, std::string&) -> abi::Result {
        if (find(s, to, bytes) == nullptr) return abi::kErrorInvalidValue;
        std::memset(host(to), value, bytes);
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuMemsetD2D8Async(abi::DevicePointer to, std::size_t pitch,
                                                    unsigned char value, std::size_t width,
                                                    std::size_t height, abi::Stream stream) {
  return record_context_call(
      "cuMemsetD2D8Async",
      fmt::format("to={} pitch={} value={} width={} height={} stream={}", host(to), pitch, value,
                  width, height, fmt::ptr(stream)),
      [&](State& s, std::string&) -> abi::Result {
        if (width > pitch) return abi::kErrorInvalidValue;
        if (height > 0 && find(s, to, pitch * (height - 1) + width) == nullptr)
          return abi::kErrorInvalidValue;
        for (std::size_t row = 0; row < height; ++row)
          std::memset(host(to + row * pitch), value, width);
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuPointerGetAttribute(void* value,
                                                        abi::PointerAttribute attribute,
                                                        abi::DevicePointer pointer) {
  return record_call(
      "cuPointerGetAttribute",
      fmt::format("attribute={} pointer={}", static_cast<int>(attribute), host(pointer)),
      [&](State& s, std::string&) -> abi::Result {
        const Allocation* allocation = find(s, pointer, 1);
        if (allocation == nullptr) return abi::kErrorInvalidValue;
        if (attribute != abi::PointerAttribute::kDeviceOrdinal) return abi::kErrorInvalidValue;
        *static_cast<int*>(value) = allocation->device;
        return abi::kSuccess;
      });
}
