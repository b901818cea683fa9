// One product of 64 rows over a block of 128 of k. Test support.
#pragma once

#include <cstdint>
#include <vector>

namespace fathom::ptx_cases {

struct WgmmaCase {
  int n = 8;
  std::vector<std::uint8_t> a;  ///< [64, 128]
  std::vector<std::uint8_t> b;  ///< [n, 128]

  /// The sum without any rounding.
  double exact(int row, int col) const;
};

/// Whole numbers from -2 to 2: exact in any order.
WgmmaCase exact_case(int n, std::uint64_t seed);

/// D [64, n] from this program's machine.
std::vector<float> run(const WgmmaCase& data);

}  // namespace fathom::ptx_cases
