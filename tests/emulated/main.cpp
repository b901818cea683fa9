// Entry of the emulated tests: `emulated_tests [--seeds N] [gtest flags]`. Every kernel family runs
// N schedules (20).
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "emulated/emulated_gemm.hpp"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--seeds") fathom::testing::num_seeds() = std::atoi(argv[i + 1]);
  }
  return RUN_ALL_TESTS();
}
