// A wgmma operand in shared memory: its matrix descriptor decoded. Emulator layer, inside.
#pragma once

#include <cstdint>
#include <string>

namespace fathom::emulator {

/// K-major, 8-bit elements, 32 of k: rows of 32 bytes (PTX ISA, wgmma: matrix descriptor and
/// canonical layouts).
struct Operand {
  std::uint32_t start = 0;
  std::uint32_t leading = 0;  ///< bytes between 16-byte columns; without swizzle only
  std::uint32_t stride = 0;   ///< bytes between groups of 8 rows
  int span = 16;              ///< of the swizzle

  /// Where the 16 bytes `half` (0 or 1) of a row lie.
  std::uint32_t chunk_address(int row, int half) const {
    const auto r = static_cast<std::uint32_t>(row);
    const auto h = static_cast<std::uint32_t>(half);
    const std::uint32_t group = start + r / 8 * stride;
    if (span == 16) return group + h * leading + r % 8 * 16;
    const std::uint32_t plain = group + r % 8 * static_cast<std::uint32_t>(span) + h * 16;
    return plain ^ ((plain >> 3) & static_cast<std::uint32_t>(span - 16));
  }
};

/// Fills `operand`; returns the rule that the descriptor breaks, or nothing.
std::string decode(std::uint64_t descriptor, Operand* operand);

}  // namespace fathom::emulator
