// What a bounded wait (debug configs) leaves behind. Sync layer, pure: the host reads it; includes
// only base/.
#pragma once

#include "base/types.hpp"

namespace fathom::sync {

/// What a wait waits for, as a bounded wait reports it.
enum class BarrierName : uint32_t {
  kFull = 1,
  kEmpty,
  kScalesFull,
  kScalesEmpty,
  kPartialsFull,
  kPartialsEmpty,
  kTileFull,
  kTileEmpty,
  kResidentFull,
  kResidentEmpty
};

/// What the first bounded wait that gave up saw; lies in memory that the host can read after the
/// trap.
struct WaitReport {
  uint32_t barrier;  ///< BarrierName, 0 when no wait gave up
  uint32_t stage;
  uint32_t parity;
  uint32_t cta;
  uint32_t thread;
};

}  // namespace fathom::sync
