// wgmma matrix descriptors of K-major e4m3 tiles with 128-byte rows and swizzle. Tile layer:
// includes base/ only.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::tile {

/// The lower word of a descriptor: everything that changes. Steps are 32-bit adds, so nothing
/// carries into the upper word and the whole arithmetic stays on the uniform datapath (PTX ISA,
/// matrix descriptor: start address and offsets in 16-byte units).
struct OperandTile {
  uint32_t low = 0;

  FATHOM_DEVICE static OperandTile at(SmemAddr start) {
    constexpr uint32_t kLeadingOffset = 1;  // not used by swizzled K-major layouts
    return {((start.value & 0x3ffff) >> 4) | kLeadingOffset << 16};
  }
  FATHOM_DEVICE OperandTile operator+(int bytes) const {
    return {low + static_cast<uint32_t>(bytes >> 4)};
  }
  FATHOM_DEVICE uint64_t descriptor() const {
    constexpr uint64_t kStrideOffset = 1024 >> 4;  // 8 rows of 128 bytes
    constexpr uint64_t kSwizzle128 = 1;            // bits 62..63
    return (kSwizzle128 << 62) | (kStrideOffset << 32) | low;
  }
};

}  // namespace fathom::tile
