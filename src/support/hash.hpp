// 128-bit content hash (XXH3). Support layer: for identity of contents, not against an attacker.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::support {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 hash128(std::string_view bytes);

/// 32 lower-case hexadecimal digits, high word first.
std::string to_hex(Hash128 hash);

/// Appends `field` to `bytes` with its length in front, so that no two lists of fields give the
/// same bytes.
void append_field(std::string& bytes, std::string_view field);

}  // namespace fathom::support
