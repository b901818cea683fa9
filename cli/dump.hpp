// The operands, the product and the reference of a check as a safetensors file, for an outside
// script. Command-line layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reference/problem_data.hpp"
#include "safetensors.hpp"

namespace fathom::cli {

/// Opened before the work, written after it. Tensors in logical shapes without pitch: a, scale_a,
/// b, scale_b, d, reference (F64), for grouped products the metadata under its own name (offsets,
/// row_group, group_end, rows), and c, the start values, where d is accumulated. Rows that belong
/// to nobody hold what the operands' memory holds there, NaN bit patterns and canaries; their
/// reference is 0.
class ProblemDump {
 public:
  ProblemDump(const std::string& path, const reference::ProblemData& data);

  /// `exact` is reference::gemm_fp64's, `start` D before the product where D is accumulated.
  void write(const reference::ProblemData& data, const std::vector<double>& exact,
             const std::vector<float>& start);

 private:
  SafetensorsWriter file_;
};

}  // namespace fathom::cli
