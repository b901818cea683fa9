// Place in a ring of stages. Sync layer, pure: includes only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::sync {

/// The next stage of a ring to use, and the parity of the lap. Both sides start at {0, 0} and
/// advance once per block of k.
struct RingState {
  int stage = 0;
  uint32_t phase = 0;

  FATHOM_HD constexpr void advance(int num_stages) {
    if (++stage == num_stages) {
      stage = 0;
      phase ^= 1;
    }
  }
};

}  // namespace fathom::sync
