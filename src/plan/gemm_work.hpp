// How much a launch has to do, as far as the host can know it: sizes of a dense product, an
// expectation where the rows of groups stand in device memory. Planning layer: pure.
#pragma once

#include "gemm/sizes.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::plan {

struct GemmWork {
  double groups = 1;  ///< with rows: each has weights of its own to read
  double rows = 0;    ///< in all
  /// Weight of routed_units, against exact_units: how far the groups are taken for uneven.
  double uneven = 0;
  /// Whether it is as good as known how many tiles there are: dense, or rows of groups that are
  /// taken for even.
  bool counted = false;

  double rows_per_group() const { return rows / groups; }
};

/// Dense: exact. Contiguous rows: all m of them, or expected_rows a group where that is less, dealt
/// to the groups at random, so that some are empty and none like another; to no more groups than
/// there are aligned blocks, and hardly at random where equal groups would fill them. Masked:
/// expected_rows of each group, which are exact or a mean, or max_m.
GemmWork expected_work(const device::gemm::Sizes& sizes);

/// Pieces of `height` rows that a group with exactly the expected rows makes.
double exact_pieces(int height, const GemmWork& work);
/// The same on average, where rows chose their groups at random and some groups are liked better.
double routed_pieces(int height, const GemmWork& work);

}  // namespace fathom::plan
