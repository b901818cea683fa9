// The loops over contiguous elements that the CPU backend spends its time in, compiled for this
// machine's vector units. CPU backend; knows no shapes and no layouts.
#pragma once

#include <cstdint>
#include <string_view>

#include <fathom/dtype.hpp>

namespace fathom::cpu {

/// One set of loops per instruction set; all sets give the same bits.
struct RowOps {
  std::string_view instruction_set;
  /// out[i] = value of code[i] * scale.
  void (*decode)(const std::uint8_t* code, std::int64_t count, float scale, float* out);
  /// out[i] = in[i] as FP32; `dtype` is kBf16, kFp16 or kFp32.
  void (*load)(const void* in, DType dtype, std::int64_t count, float* out);
  /// out[i] = in[i] rounded to bf16.
  void (*store_bf16)(const float* in, std::int64_t count, std::uint16_t* out);
  /// The largest |in[i]|, NaN ignored; 0 when there is none.
  float (*amax)(const float* in, std::int64_t count);
  /// amax[i] = max(amax[i], |in[i]|), NaN ignored.
  void (*max_magnitude)(const float* in, std::int64_t count, float* amax);
  /// code[i] = e4m3 of in[i] / scale, one IEEE division each; NaN gives 0x7f.
  void (*encode)(const float* in, std::int64_t count, float scale, std::uint8_t* code);
  /// The same with a scale for each element.
  void (*encode_scaled)(const float* in, std::int64_t count, const float* scale,
                        std::uint8_t* code);
};

/// The widest set that this processor runs.
const RowOps& row_ops();
/// The set that runs everywhere: for tests, which compare the two.
const RowOps& portable_row_ops();

}  // namespace fathom::cpu
