#include "emulator/shared_memory.hpp"

#include <algorithm>
#include <cstring>

namespace fathom::emulator {

SharedMemory::SharedMemory(int bytes)
    : bytes_(bytes),
      data_(new unsigned char[static_cast<std::size_t>(bytes)]),
      chunks_(static_cast<std::size_t>(bytes + 15) / 16) {
  std::memset(data_.get(), 0xff, static_cast<std::size_t>(bytes));  // NaN in every type used here
}

bool SharedMemory::written(std::uint32_t address, int bytes) {
  for (int done = 0; done < bytes; done += 16) {
    const std::uint32_t at = address + static_cast<std::uint32_t>(done);
    const std::uint16_t bits = byte_bits(at, std::min(16, bytes - done));
    if ((chunk(at).written & bits) != bits) return false;
  }
  return true;
}

void SharedMemory::set_written(std::uint32_t address, int bytes, bool written) {
  for (int done = 0; done < bytes; done += 16) {
    const std::uint32_t at = address + static_cast<std::uint32_t>(done);
    const std::uint16_t bits = byte_bits(at, std::min(16, bytes - done));
    std::uint16_t& all = chunk(at).written;
    all = static_cast<std::uint16_t>(written ? all | bits : all & ~bits);
  }
}

}  // namespace fathom::emulator
