#include "emulator/operand.hpp"

#include <fmt/format.h>

namespace fathom::emulator {
namespace {

/// Bits [first, first + 14) of the descriptor, in 16-byte units.
std::uint32_t field(std::uint64_t descriptor, int first) {
  return static_cast<std::uint32_t>(descriptor >> first & 0x3fff) << 4;
}

}  // namespace

std::string decode(std::uint64_t descriptor, Operand* operand) {
  constexpr int kSpans[] = {16, 128, 64, 32};  // by the value of bits 62 and 63
  operand->start = field(descriptor, 0);
  operand->leading = field(descriptor, 16);
  operand->stride = field(descriptor, 32);
  operand->span = kSpans[descriptor >> 62];
  const auto base_offset = static_cast<int>(descriptor >> 49 & 7);
  if (base_offset != 0) return fmt::format("base offset {} is not emulated", base_offset);
  const auto pattern = static_cast<std::uint32_t>(operand->span) * 8;
  if (operand->span > 16 && operand->start % pattern >= static_cast<std::uint32_t>(operand->span))
    return fmt::format(
        "the matrix at {:#x} does not begin in the first row of a swizzle pattern "
        "of {} bytes",
        operand->start, pattern);
  if (operand->stride % pattern != 0 && operand->span > 16)
    return fmt::format("groups of 8 rows {} bytes apart; a swizzle of {} needs a multiple of {}",
                       operand->stride, operand->span, pattern);
  return {};
}

}  // namespace fathom::emulator
