#include "emulator/poison.hpp"

namespace fathom::emulator {
namespace {

// Two quiet NaNs that neither x86 (ffc00000) nor sm_90 (7fffffff) makes; their upper 16 bits are
// bf16 NaNs.
constexpr std::uint32_t kNeverWrittenBits = 0x7fd50000;
constexpr std::uint32_t kEarlyReadBits = 0x7fd60000;
constexpr std::uint32_t kNumberMask = (1u << 14) - 1;
constexpr std::uint32_t kMarkMask = ~kNumberMask & 0x7fffffffu;  // a negation may set the sign

int kind_of(std::uint32_t bits) {
  if ((bits & kMarkMask) == kNeverWrittenBits) return 0;
  if ((bits & kMarkMask) == kEarlyReadBits) return 1;
  return -1;
}

}  // namespace

std::uint32_t Poisons::make(const Origin& origin) {
  const std::uint32_t number = next_++ % kNumbers;
  if (number < origins_.size())
    origins_[number] = origin;
  else
    origins_.push_back(origin);
  return number | (origin.kind == FindingKind::kEarlyRead ? kEarlyReadBits : kNeverWrittenBits);
}

const Origin* Poisons::find(std::uint32_t float_bits) const {
  const std::uint32_t number = float_bits & kNumberMask;
  return kind_of(float_bits) >= 0 && number < origins_.size() ? &origins_[number] : nullptr;
}

const Origin* Poisons::find_bf16(std::uint16_t bits) const {
  const int kind = kind_of(std::uint32_t{bits} << 16);
  if (kind < 0 || origins_.empty()) return nullptr;
  return &origins_[last_cast_[kind]];
}

bool Poisons::cast_to_bf16(std::uint32_t float_bits, std::uint16_t* bits) {
  if (find(float_bits) == nullptr) return false;
  last_cast_[kind_of(float_bits)] = float_bits & kNumberMask;
  *bits = static_cast<std::uint16_t>(float_bits >> 16);
  return true;
}

}  // namespace fathom::emulator
