// A tensor map decoded: the box that one copy moves, row by row, and where swizzling puts it.
// Emulator layer, inside.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/address.hpp"
#include "emulator/tensor_map.hpp"

namespace fathom::emulator {

struct Box {
  static constexpr int kMaxRank = 5;

  int rank = 0;
  MapType type = MapType::kUint8;
  int element = 0;  ///< bytes
  int span = 16;    ///< bytes of a swizzled row; 16: not swizzled
  unsigned char* base = nullptr;
  std::int64_t at[kMaxRank] = {};     ///< coordinates of the first element
  std::int64_t dims[kMaxRank] = {};   ///< of the tensor, elements
  std::int64_t pitch[kMaxRank] = {};  ///< bytes
  std::int64_t edges[kMaxRank] = {};  ///< of the box
  std::int64_t dim_bytes = 0;         ///< of a row of the tensor
  std::int64_t row_bytes = 0;         ///< of a row of the box
  std::int64_t rows = 0;

  std::int64_t bytes() const { return rows * row_bytes; }

  struct Row {
    std::int64_t index;       ///< in the box
    bool exists;              ///< in the tensor
    unsigned char* start;     ///< of the tensor's row
    std::int64_t first_byte;  ///< of the box in that row; may lie outside
  };
  template <typename Visit>
  void for_each_row(const Visit& visit) const {
    for (std::int64_t i = 0; i < rows; ++i) visit(row(i));
  }
  Row row(std::int64_t index) const;

  /// Where byte `column` (a multiple of 16) of a row lies, for a box that starts at `start`. The
  /// exchange works on the address itself: bits 4 to 6 are exclusive-or-ed with bits 7 to 9, as
  /// many as the span has.
  std::uint32_t chunk_address(std::uint32_t start, std::int64_t row, std::int64_t column) const {
    const std::uint32_t plain = start + static_cast<std::uint32_t>(row * row_bytes + column);
    return plain ^ ((plain >> 3) & static_cast<std::uint32_t>(span - 16));
  }
};

/// Fills `box`; returns the rule that the map or the coordinates break, or nothing.
std::string decode(const TensorMap& map, std::initializer_list<int> at, Box* box);

}  // namespace fathom::emulator
