// The tiles of a planned launch, one by one, by the functions that the kernel itself uses. Planning
// layer: pure.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/gemm_planner.hpp"

namespace fathom::plan {

/// A tile that stores something, or its strip, which follows it. A tile split along k is one tile,
/// of the first CTA that takes part.
struct LaunchTile {
  std::int64_t cta = 0;
  std::int64_t step = 0;     ///< of its cluster, counted from 0
  std::int64_t cluster = 0;  ///< in the grid
  std::int64_t group = 0;
  std::int64_t row0 = 0;  ///< of D; masked: group * max_m + row
  std::int64_t rows = 0;  ///< that are stored
  std::int64_t col0 = 0;
  std::int64_t cols = 0;
  bool multicast = false;  ///< an operand comes from the pair's common load
};

/// In the order of units. `index` is the group metadata in host memory, of the type that the
/// problem says; it must obey its rules. Null for a dense problem.
std::vector<LaunchTile> launch_tiles(const GemmPlan& plan, const GemmProblem& problem,
                                     const void* index);

}  // namespace fathom::plan
