// Values that a kernel must not use: NaNs whose payload says where they came from. Arithmetic
// carries them on, so that what is reported is the use (a store to global memory) and not a read
// whose value is thrown away. Emulator layer, inside.
//
//   31      23 22          14 13               0
//   [ 0 | ff  | 1 | kind: 8 ] [ number of origin ]    the upper half survives a cast to bf16
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/report.hpp"

namespace fathom::emulator {

struct Thread;

/// What a poisoned value is: kNeverWritten or kEarlyRead.
struct Origin {
  FindingKind kind = FindingKind::kNeverWritten;
  const Thread* thread = nullptr;
  std::uint32_t address = 0;  ///< kNeverWritten: read from
  int product = 0;            ///< kEarlyRead: the wgmma's number in its warp
  std::uint32_t last_barrier = 0, last_phase = 0;
};

class Poisons {
 public:
  /// The bits of a float that stands for `origin`. Numbers come round again after 16,384.
  std::uint32_t make(const Origin& origin);
  /// The origin of a poisoned float, or null for any other value.
  const Origin* find(std::uint32_t float_bits) const;
  /// The same for bf16, whose origin is the last of its kind that was cast.
  const Origin* find_bf16(std::uint16_t bits) const;
  /// A cast of a float to bf16, poisoned or not: true and its bits when poisoned.
  bool cast_to_bf16(std::uint32_t float_bits, std::uint16_t* bits);

 private:
  static constexpr std::uint32_t kNumbers = 1u << 14;
  std::vector<Origin> origins_;
  std::uint32_t next_ = 0;
  std::uint32_t last_cast_[2] = {0, 0};  // numbers: kNeverWritten, kEarlyRead
};

}  // namespace fathom::emulator
