// The swizzles of TMA and wgmma as one formula. Tile layer, pure: includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::tile {

/// Where TMA puts byte `offset` of a tile whose rows are `row_bytes` (128, 64, 32; 16 = no swizzle)
/// and whose start is aligned to 8 rows: the 16-byte chunk index is exclusive-or-ed with the number
/// of the 128-byte line (CUDA programming guide, TMA swizzle).
///
///   128-byte rows: row r, chunk c -> chunk c ^ (r & 7)
FATHOM_HD constexpr int swizzled(int offset, int row_bytes) {
  return offset ^ ((offset >> 3) & (row_bytes - 16));
}

}  // namespace fathom::tile
