// Parameters of the kernels that call the functions of device/ptx/ one by one. Test support, read
// by the host, the run-time compiler and the emulator's compiler; includes only device/base/.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace fathom::ptx_cases {

/// What a thread of ptx_casts writes, in this order.
inline constexpr int kCastOutputs = 12;
struct CastParams {
  const uint32_t* a;
  const uint32_t* b;
  uint32_t* out;  ///< [thread][kCastOutputs]
};

/// What a thread of ptx_threads writes.
struct ThreadFacts {
  int32_t thread, lane, cta, ctas, rank, uniform, elected, time_passes;
};
struct ThreadParams {
  ThreadFacts* out;  ///< [CTA][thread]
};

/// One thread a 16-byte item of `in`; `out` and its layout: beside each kernel.
struct CopyParams {
  const void* in;
  void* out;
};

struct TmaParams {
  TensorMap map;
  int32_t x, y;
  int32_t bytes;       ///< of one box
  int32_t step;        ///< stores: columns to the second box
  int32_t add;         ///< stores: nonzero adds
  const uint32_t* in;  ///< stores: the box as it lies in shared memory
  uint32_t* out;       ///< loads: [CTA] `bytes` of shared memory, and as many after them
};

struct GridParams {
  uint32_t* word;
  uint32_t* seen;  ///< ptx_second_grid: what `word` held, per CTA
};

/// D [64, n] = A [64, 128] * B [n, 128]^T, codes and fp32, all contiguous.
struct WgmmaParams {
  const uint32_t* a;
  const uint32_t* b;
  float* d;
};

}  // namespace fathom::ptx_cases
