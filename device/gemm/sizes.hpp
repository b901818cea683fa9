// A problem's numbers: sizes, strides, groups. Contract layer: the planner, the host binder, the
// emulator and the tests share it; includes only the contract and base/.
#pragma once

#include "base/math.hpp"
#include "base/types.hpp"
#include "gemm/config.hpp"
#include "gemm/groups.hpp"

namespace fathom::device::gemm {

/// What a grouped problem adds to Sizes. Strides of the group dimension in elements; those of a, d
/// and scale_a count for kMasked only.
struct Grouping {
  GroupForm form = GroupForm::kNone;
  int64_t num_groups = 1;
  int64_t alignment = 1;      ///< kRowGroup, kGroupEnd: 16 to 256
  int64_t expected_rows = 0;  ///< of a group, a hint: 0 = unknown
  bool index_is_int64 = false;
  bool zero_padding = false;  ///< kRowGroup only
  int64_t a_stride = 0, b_stride = 0, d_stride = 0;
  int64_t scale_a_stride = 0, scale_b_stride = 0;

  FATHOM_HD constexpr bool masked() const { return form == GroupForm::kMasked; }
  /// Matrices [m, k] that A consists of.
  FATHOM_HD constexpr int64_t a_planes() const { return masked() ? num_groups : 1; }
};

/// Sizes and strides of a problem, in elements.
struct Sizes {
  int64_t m = 0, n = 0, k = 0;  ///< masked: m = max_m
  int64_t a_pitch = 0, b_pitch = 0, d_pitch = 0;
  int64_t scale_a_stride = 1, scale_a_k_stride = 0;  ///< of a row, of a block of k
  int64_t scale_b_stride = 0,
          scale_b_k_stride = 1;  ///< of a 128-row block (or a row, k1x128), of a block of k
  Grouping groups = {};

  FATHOM_HD constexpr int64_t k_blocks() const { return ceil_div<int64_t>(k, kBlockK); }
};

inline constexpr int64_t kMaxExtent = 2147483647;

}  // namespace fathom::device::gemm
