// The arithmetic of wgmma e4m3: how one step of k32 is added to an accumulator. Emulator layer,
// inside.
#pragma once

#include <array>
#include <cstdint>

namespace fathom::emulator {

inline constexpr int kStepK = 32;     // k of one e4m3 wgmma (PTX ISA, wgmma shapes)
inline constexpr int kWarpRows = 16;  // rows of the 64 that one warp holds

/// e4m3 codes as doubles, in which a sum of 32 products is exact: products are multiples of 2^-18
/// below 2^18, so that it has at most 41 bits.
const std::array<double, 256>& e4m3_values();

/// 16 rows of A by k, element (row, k) at [k][row].
using OperandA = std::array<std::array<double, kWarpRows>, kStepK>;

/// sums[row] += sum over k of a[k][row] * b[k], rounded once to fp32 each.
///
/// This is the one place that says how the tensor cores accumulate. The model: the 32 products and
/// their sum are exact, and the addition to the accumulator rounds to nearest even. An H200 keeps
/// fewer bits (docs/numerics.md, FP8 accumulation); on data whose partial sums fit those, both give
/// the same bits.
void add_step(const OperandA& a, const std::array<double, kStepK>& b,
              std::array<float, kWarpRows>& sums);

}  // namespace fathom::emulator
