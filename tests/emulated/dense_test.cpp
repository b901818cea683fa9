// The dense kernels in the emulator against the reference.
#include <gtest/gtest.h>

#include "emulated/kernels.hpp"

namespace fathom::testing {
namespace {

TEST(EmulatedDense, MultipliesExactly) {
  DenseCase test(kCompute128x128,
                 {.m = 128, .n = 128, .k = 512, .data = reference::DataKind::kExact});
  const EmulatedResult result = test.run(1);
  EXPECT_TRUE(result.passed()) << result.text();
}

}  // namespace
}  // namespace fathom::testing
