// An address inside a CTA's shared-memory window, and the opaque tensor map. Contract layer:
// includes only base/types.hpp.
#pragma once

#include "base/types.hpp"

namespace fathom {

/// Byte address in the shared window (what .shared instructions take). The only way to name shared
/// memory in device/.
struct SmemAddr {
  uint32_t value = 0;

  FATHOM_HD constexpr SmemAddr operator+(int bytes) const {
    return {value + static_cast<uint32_t>(bytes)};
  }
  /// For addresses inside a swizzle atom, where a step along the row is an exclusive or.
  FATHOM_HD constexpr SmemAddr operator^(int bytes) const {
    return {value ^ static_cast<uint32_t>(bytes)};
  }
};

/// The driver's CUtensorMap, opaque: the binder copies the encoded 128 bytes in.
struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

}  // namespace fathom
