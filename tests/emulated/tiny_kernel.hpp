// Kernels of a few lines, run to see what the emulator makes of them. Test support.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "emulator/launch.hpp"
#include "emulator/tensor_map.hpp"
#include "ptx/barrier.cuh"
#include "ptx/mbarrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "ptx/tma.cuh"

namespace fathom::testing {

using emulator::Access;
using emulator::FindingKind;
using emulator::KernelEntry;
using emulator::LaunchShape;
using emulator::Memory;
using emulator::Options;
using emulator::Report;

inline constexpr int kSeeds = 20;

/// Shared memory of a tiny kernel; the barrier lies behind the data.
inline constexpr int kTinyBytes = 8192;
inline constexpr int kTinyBarrier = 8192 - 64;

struct TinyRun {
  LaunchShape shape{.threads = 32, .shared_bytes = kTinyBytes};
  Memory memory = {};
  Options options = {.regions = {{"data", 0, 1024, 7}, {"ready", kTinyBarrier, 8, 2}}};

  template <typename Params>
  Report operator()(KernelEntry kernel, const Params& params) const {
    return emulator::run(kernel, shape, &params, sizeof params, memory, options);
  }
  Report operator()(KernelEntry kernel) const { return (*this)(kernel, 0); }
};

/// Every seed must find `kind`, in words that contain `words`.
template <typename Params = int>
void expect_found(TinyRun run, KernelEntry kernel, FindingKind kind, const std::string& words,
                  const Params& params = {}) {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    run.options.seed = static_cast<std::uint64_t>(seed);
    const Report report = run(kernel, params);
    bool found = false;
    for (const auto& finding : report.findings)
      found =
          found || (finding.kind == kind && to_string(finding).find(words) != std::string::npos);
    ASSERT_TRUE(found) << "wanted " << name_of(kind) << " with '" << words << "'; seed " << seed
                       << " found:\n"
                       << report.text();
  }
}

/// No seed may find anything.
template <typename Params = int>
void expect_clean(TinyRun run, KernelEntry kernel, const Params& params = {}) {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    run.options.seed = static_cast<std::uint64_t>(seed);
    const Report report = run(kernel, params);
    ASSERT_TRUE(report.clean()) << report.text();
  }
}

inline SmemAddr tiny_barrier(SmemAddr smem) {
  return smem + kTinyBarrier;
}

/// The data of a tiny kernel of one warp and its barrier, which is initialised and seen by all.
struct TinyShared {
  SmemAddr data, ready;
};
inline TinyShared with_barrier(unsigned char* shared, int arrivals) {
  const SmemAddr data = ptx::smem_address(shared);
  const SmemAddr ready = tiny_barrier(data);
  if (ptx::thread_index() == 0) {
    ptx::mbarrier_init(ready, arrivals);
    ptx::fence_mbarrier_init();
  }
  ptx::barrier_sync(0, 32);
  return {data, ready};
}

inline void wait(SmemAddr barrier, uint32_t parity) {
  while (!ptx::mbarrier_try_wait_parity(barrier, parity)) {
  }
}

/// A map of rank 2 in the emulator's encoding.
inline TensorMap map_of(void* base, emulator::MapType type, int cols, int rows, int pitch_bytes,
                        int box_cols, int box_rows,
                        emulator::MapSwizzle swizzle = emulator::MapSwizzle::kNone) {
  emulator::EncodedTensorMap encoded;
  encoded.base = reinterpret_cast<std::uint64_t>(base);
  encoded.rank = 2;
  encoded.type = type;
  encoded.swizzle = swizzle;
  encoded.dims[0] = static_cast<std::uint64_t>(cols);
  encoded.dims[1] = static_cast<std::uint64_t>(rows);
  encoded.strides[0] = static_cast<std::uint64_t>(pitch_bytes);
  encoded.box[0] = static_cast<std::uint16_t>(box_cols);
  encoded.box[1] = static_cast<std::uint16_t>(box_rows);
  encoded.element_strides[0] = encoded.element_strides[1] = 1;
  TensorMap map;
  std::memcpy(&map, &encoded, sizeof map);
  return map;
}

/// 64 x 64 bytes in one box.
inline TensorMap square_map(void* base) {
  return map_of(base, emulator::MapType::kUint8, 64, 64, 64, 64, 64);
}

}  // namespace fathom::testing
