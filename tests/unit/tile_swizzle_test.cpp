// The swizzle formula: a permutation of 16-byte chunks that spreads a column of chunks over banks.
#include "tile/swizzle.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fathom::tile {
namespace {

constexpr int kRowBytes[] = {16, 32, 64, 128};

TEST(TileSwizzle, IsABijectionThatKeepsRowsAndBytesOfAChunk) {
  for (const int row_bytes : kRowBytes) {
    std::set<int> seen;
    for (int offset = 0; offset < 64 * row_bytes; ++offset) {
      const int to = swizzled(offset, row_bytes);
      EXPECT_EQ(to / row_bytes, offset / row_bytes) << row_bytes << " " << offset;
      EXPECT_EQ(to % 16, offset % 16);
      seen.insert(to);
    }
    EXPECT_EQ(static_cast<int>(seen.size()), 64 * row_bytes) << row_bytes;
  }
}

// The field's picture of the 128-byte swizzle: chunk c of row r lies at chunk c ^ (r % 8).
TEST(TileSwizzle, Of128ByteRowsIsRowXorChunk) {
  for (int row = 0; row < 16; ++row)
    for (int chunk = 0; chunk < 8; ++chunk)
      EXPECT_EQ(swizzled(row * 128 + chunk * 16, 128), row * 128 + (chunk ^ (row % 8)) * 16);
}

// 64-byte rows: two rows a 128-byte line; 32-byte rows: four. The number of the line decides.
TEST(TileSwizzle, OfNarrowRowsGoesByLinesOf128Bytes) {
  EXPECT_EQ(swizzled(1 * 64, 64), 1 * 64);
  EXPECT_EQ(swizzled(2 * 64, 64), 2 * 64 + 16);
  EXPECT_EQ(swizzled(6 * 64 + 16, 64), 6 * 64 + 32);
  EXPECT_EQ(swizzled(3 * 32, 32), 3 * 32);
  EXPECT_EQ(swizzled(4 * 32, 32), 4 * 32 + 16);
  EXPECT_EQ(swizzled(5 * 16, 16), 5 * 16);
}

// Epilogues step along a row by exclusive or: the step must commute with the swizzle.
TEST(TileSwizzle, StepsAlongARowAreExclusiveOrs) {
  for (const int row_bytes : kRowBytes)
    for (int row = 0; row < 64; ++row)
      for (int step = 0; step < row_bytes; step += 32)
        EXPECT_EQ(swizzled(row * row_bytes + step, row_bytes),
                  swizzled(row * row_bytes, row_bytes) ^ step);
}

}  // namespace
}  // namespace fathom::tile
