// device/ptx/wgmma_e4m3.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// `steps` wgmma m64nNk32, N = cols, in a row; the first begins a new sum.
void wgmma_e4m3(float* d, int cols, const uint64_t* a, const uint64_t* b, int steps);

template <int kN>
struct WgmmaE4m3 {
  static_assert(kN >= 8 && kN <= 256 && kN % 8 == 0);
  static void mma(float (&d)[kN / 2], const uint64_t (&a)[4], const uint64_t (&b)[4]) {
    wgmma_e4m3(d, kN, a, b, 4);
  }
};

}  // namespace fathom::ptx
