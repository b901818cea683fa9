// What a GEMM call asks for, after checking and before planning: sizes, strides, forms, no
// pointers. Planning layer: pure. api/gemm_check.cpp makes it from tensor views; planner, backends
// and tests only read it.
#pragma once

#include <cstdint>
#include <string>

#include <fathom/gemm.hpp>

namespace fathom::plan {

enum class ScaleBBlock { k128x128, k1x128 };

/// How a [rows, cols] operand (with an optional leading group dimension) lies in memory; strides in
/// elements. Legal also where an extent of 0 or 1 leaves a stride without meaning: pitches of a, b
/// and d are always multiples of 16 bytes.
struct MatrixLayout {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;
  std::int64_t col_stride = 1;
  std::int64_t group_stride = 0;  ///< 0 when there is no group dimension

  bool operator==(const MatrixLayout&) const = default;
};

/// Rows of the blocks in which kRowGroup and kGroupEnd lay out their groups.
constexpr bool is_group_alignment(std::int64_t rows) {
  return rows >= 16 && rows <= 256 && (rows & (rows - 1)) == 0;
}

struct GemmProblem {
  Groups::Form form = Groups::Form::kNone;
  std::int64_t m = 0;  ///< rows of a and d; masked: max_m
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t num_groups = 1;  ///< 1 when dense
  std::int64_t alignment = 128;
  std::int64_t expected_m = 0;
  bool index_is_int64 = false;  ///< offsets only
  ScaleBBlock scale_b_block = ScaleBBlock::k128x128;
  DType out = DType::kBf16;
  MatrixLayout a, scale_a, b, scale_b, d;
  bool scale_a_aligned =
      false;  ///< the base of scale_a is a multiple of 16 bytes, as a bulk load needs it
  bool scale_b_aligned = false;  ///< the same of scale_b
  bool accumulate = false;
  bool batch_invariant = false;
  bool zero_padding = false;
  int max_sms = 0;
  std::string config;  ///< forced tag, empty = planned

  std::int64_t k_blocks() const { return (k + 127) / 128; }
  std::int64_t n_blocks() const { return (n + 127) / 128; }
  bool grouped() const { return form != Groups::Form::kNone; }

  bool operator==(const GemmProblem&) const = default;
};

}  // namespace fathom::plan
