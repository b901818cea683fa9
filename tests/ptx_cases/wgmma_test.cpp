// The tensor core's product in every width against a host model, on a GPU or in the emulator.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ptx_cases/wgmma_case.hpp"

namespace fathom::ptx_cases {
namespace {

TEST(PtxWgmma, EveryWidthOnExactData) {
  for (int n = 8; n <= 256; n += 8) {
    const WgmmaCase data = exact_case(n, 41);
    const std::vector<float> got = run(data);
    int wrong = 0;
    for (int row = 0; row < 64 && wrong < 5; ++row)
      for (int col = 0; col < n && wrong < 5; ++col) {
        const float x = got[static_cast<std::size_t>(row * n + col)];
        if (x == data.exact(row, col)) continue;
        ++wrong;
        ADD_FAILURE() << fmt::format("n = {} [{}, {}]: {} instead of {}", n, row, col, x,
                                     data.exact(row, col));
      }
  }
}

}  // namespace
}  // namespace fathom::ptx_cases
