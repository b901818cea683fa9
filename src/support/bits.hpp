// Choosing between two bit patterns in straight-line code. Support layer; no other header of ours.
#pragma once

#include <cstdint>

namespace fathom::support {

/// `a` where the condition holds, else `b`, without a branch that would keep a loop from being
/// vectorised.
constexpr std::uint32_t select(bool condition, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return (a & mask) | (b & ~mask);
}

}  // namespace fathom::support
