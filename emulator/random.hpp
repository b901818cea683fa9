// The one source of chance of an emulated cluster: every choice of its schedule comes from here.
// Emulator layer; includes only the standard library.
#pragma once

#include <cstdint>

namespace fathom::emulator {

/// splitmix64 (Steele, Lea, Flood 2014): one addition and two multiplications a number, any seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    return mix(state_);
  }
  /// 0 to n - 1. The bias of the multiplication, n / 2^32, does not matter here.
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32);
  }
  /// True once in about `n` calls.
  bool one_in(std::uint32_t n) { return below(n) == 0; }

  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace fathom::emulator
