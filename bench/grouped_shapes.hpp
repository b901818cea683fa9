// The grouped products that are measured: the published rows, routing as in real models, and rows
// where alignment costs. Benchmark layer; pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fathom/gemm.hpp>

namespace fathom::bench {

struct GroupedShape {
  std::string name;  ///< "contiguous 4 x 8192"
  Groups::Form form = Groups::Form::kRowGroup;
  std::vector<std::int64_t> counts;  ///< rows of each group
  std::int64_t max_m = 0;            ///< masked
  std::int64_t n = 0, k = 0;
  std::int64_t expected_m = 0;
  double deep_gemm_us = 0;  ///< as published; 0 = not
  /// Beside it: the same rows from aligned starts, and, where padding adds over a quarter, pad +
  /// aligned product + unpad.
  bool against_aligned = false;
  bool against_padding = false;

  std::int64_t valid_rows() const;
};

/// "contiguous", "masked", "masked_decode", "routing", "unaligned".
std::vector<GroupedShape> grouped_suite(const std::string& name);

/// A score above 1 is faster than DeepGEMM: by cuBLASLt's per-tensor product of m = 4096, (4096,
/// 7168) in the same run, which took 164.6 us beside DeepGEMM's published times.
double grouped_score(const GroupedShape& shape, double ours_us, double yardstick_us);

}  // namespace fathom::bench
