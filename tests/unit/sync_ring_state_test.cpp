// The place in a ring of stages: both roles must meet the same stage with the same parity.
#include "sync/ring_state.hpp"

#include <gtest/gtest.h>

namespace fathom::sync {
namespace {

TEST(RingState, PhaseFlipsOncePerLap) {
  for (int stages = 2; stages <= 16; ++stages) {
    RingState at;
    for (int step = 0; step < 5 * stages; ++step) {
      EXPECT_EQ(at.stage, step % stages);
      EXPECT_EQ(at.phase, static_cast<uint32_t>(step / stages % 2));
      at.advance(stages);
    }
  }
}

// An mbarrier's phase ends when its arrivals are complete; a wait on parity p passes once a phase
// of that parity has ended and the next has not. A made-up barrier of one arrival follows both
// roles.
struct Barrier {
  int ended = 0;
  bool passes(uint32_t parity) const { return static_cast<uint32_t>(ended % 2) != parity; }
};

TEST(RingState, LoaderRunsOneLapAheadAndNoFarther) {
  constexpr int kStages = 4;
  Barrier full[kStages], empty[kStages];
  RingState loader, math;
  for (int lap = 0; lap < 3; ++lap) {
    for (int i = 0; i < kStages; ++i) {
      EXPECT_TRUE(empty[loader.stage].passes(loader.phase ^ 1)) << "a free stage blocks the loader";
      ++full[loader.stage].ended;
      loader.advance(kStages);
    }
    EXPECT_FALSE(empty[loader.stage].passes(loader.phase ^ 1)) << "the loader overwrites a stage";
    for (int i = 0; i < kStages; ++i) {
      EXPECT_TRUE(full[math.stage].passes(math.phase));
      ++empty[math.stage].ended;
      math.advance(kStages);
    }
    EXPECT_FALSE(full[math.stage].passes(math.phase)) << "math reads a stage twice";
  }
}

}  // namespace
}  // namespace fathom::sync
