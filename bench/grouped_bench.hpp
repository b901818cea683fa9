// Times grouped products on a GPU, beside a dense yardstick of cuBLASLt's and beside what engines
// do without them, alternately in one run. Benchmark layer.
#pragma once

#include <string>
#include <vector>

#include "gpu_bench.hpp"
#include "grouped_shapes.hpp"

namespace fathom::bench {

/// Names: "fathom"; "aligned": the same rows from aligned starts; "padded": pad + aligned product +
/// unpad.
struct GroupedResult {
  GroupedShape shape;
  std::vector<Contender> contenders;
  std::vector<std::int64_t> rows_computed;  ///< by each contender's tiles
  double sampled_error = 0;
  double yardstick_us = 0;  ///< cuBLASLt per-tensor, m = 4096, (4096, 7168), in the same rounds
  GpuState before, after;
};

/// Calls `on_shape` after each shape. Throws Error when a result is wrong.
void run_grouped_bench(GpuMachine& gpu, const std::vector<GroupedShape>& shapes,
                       const std::function<void(const GroupedResult&)>& on_shape);

}  // namespace fathom::bench
