// The shared memory of one emulated CTA: its bytes, and beside every 16 of them what has been
// written, what is on its way, and what is still being read. Emulator layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace fathom::emulator {

/// What is known about 16 aligned bytes, the unit in which copy engines and wgmma move data.
struct Chunk {
  std::uint16_t written = 0;  ///< a bit a byte: holds what a program put there, and nothing newer
                              ///< is on its way
  std::uint16_t readers = 0;  ///< outstanding products and bulk stores that will still read it
  std::uint8_t loads = 0;     ///< tensor loads and st.async on their way here
  std::uint8_t copies = 0;    ///< cp.async on their way here; several may share a chunk
  std::uint8_t barriers = 0;  ///< bits 0, 1: its halves hold an mbarrier
  std::uint32_t writer = 0;   ///< last thread that stored here, counted from 1; 0: an engine did
  std::uint32_t epoch = 0;    ///< proxy fences of that thread before the store
};

class SharedMemory {
 public:
  /// Where dynamic shared memory starts: the first KB of the window is the system's (sm_90).
  static constexpr std::uint32_t kBase = 1024;

  explicit SharedMemory(int bytes);

  bool contains(std::uint32_t address, std::int64_t bytes) const {
    return address >= kBase && address - kBase + bytes <= bytes_;
  }
  std::int64_t bytes() const { return bytes_; }
  unsigned char* at(std::uint32_t address) { return data_.get() + (address - kBase); }
  Chunk& chunk(std::uint32_t address) { return chunks_[(address - kBase) / 16]; }

  /// For `bytes` within one chunk, or whole chunks. Every byte was written.
  bool written(std::uint32_t address, int bytes);
  void set_written(std::uint32_t address, int bytes, bool written);

 private:
  std::int64_t bytes_;
  std::unique_ptr<unsigned char[]> data_;
  std::vector<Chunk> chunks_;
};

/// The bits of `bytes` bytes at `address` in Chunk::written; within one chunk.
constexpr std::uint16_t byte_bits(std::uint32_t address, int bytes) {
  return static_cast<std::uint16_t>(((1u << bytes) - 1u) << (address % 16));
}

}  // namespace fathom::emulator
