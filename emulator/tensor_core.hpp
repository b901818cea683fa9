// The arithmetic of wgmma e4m3: how one step of k32 is added to an accumulator. Emulator layer,
// inside.
#pragma once

#include <array>
#include <cstdint>

namespace fathom::emulator {

inline constexpr int kStepK = 32;     // k of one e4m3 wgmma (PTX ISA, wgmma shapes)
inline constexpr int kWarpRows = 16;  // rows of the 64 that one warp holds

/// The 256 e4m3 codes. The exponent of a code is that of its leading bit's place, -6 for denormals
/// too, and kNoExponent for zeros.
struct E4m3Table {
  std::array<float, 256> value;
  std::array<int, 256> exponent;
};
inline constexpr int kNoExponent = -1000;
const E4m3Table& e4m3_table();

/// 16 rows of A by k, element (row, k) at [k][row]; and a column of B.
struct OperandA {
  std::array<std::array<float, kWarpRows>, kStepK> value;
  std::array<std::array<int, kWarpRows>, kStepK> exponent;
};
struct OperandB {
  std::array<float, kStepK> value;
  std::array<int, kStepK> exponent;
};

/// sums[row] += sum over k of a[k][row] * b[k].
///
/// This is the one place that says how the tensor cores accumulate, as measured on an H200
/// (docs/numerics.md, FP8 accumulation): the 32 products and the accumulator are cut to multiples
/// of 2^(e - 13), where e is the largest exponent among them (a product's: the sum of its
/// factors'), added exactly, and the sum is cut to 13 bits after its leading one. Cutting is toward
/// zero.
void add_step(const OperandA& a, const OperandB& b, std::array<float, kWarpRows>& sums);

}  // namespace fathom::emulator
