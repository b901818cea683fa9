// Sums -> chunks of D in shared memory, from where TMA or 16-byte stores take whole rows. Device
// layer of the gemm family.
//
//   registers --cvt, stmatrix--> chunk [d_rows, d_chunk_cols], swizzled
//
// Each math warpgroup, or warp (Config::d_warps), has its own rows and its own buffers, so it meets
// nobody else.
#pragma once

#include "gemm/config.hpp"
#include "gemm/smem.hpp"
#include "ptx/barrier.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"
#include "tile/accumulator.cuh"
#include "tile/swizzle.hpp"

namespace fathom::device::gemm {

template <Config kConfig>
struct Staging {
  using Sums = tile::Accumulator<kConfig.right_rows()>;
  static constexpr bool kSwap = kConfig.swap_operands;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kChunkCols = kConfig.d_chunk_cols();
  static constexpr int kRowBytes = kChunkCols * kConfig.d_bytes();
  static constexpr int kBuffers = kConfig.staging_chunks;
  static constexpr int kThreads = kConfig.d_warps() * 32;  // that stage and store together
  static constexpr bool kByWarp = kConfig.d_warps() == 1;

  SmemAddr first;  // the first buffer of those who store with this thread
  SmemAddr write;  // where this thread writes in a chunk, before the step along the row
  int warpgroup;

  FATHOM_DEVICE Staging(SmemAddr smem, int the_warpgroup, int warp)
      : first(smem + kPlan.staging +
              (kByWarp ? the_warpgroup * 4 + warp : the_warpgroup) * kBuffers *
                  kPlan.staging_chunk_bytes),
        warpgroup(the_warpgroup) {
    const int lane = ptx::lane_index();
    const int row = kByWarp ? 0 : warp * 16;  // this warp's first in the chunk
    // bf16: lane l addresses row l % 16 of the warp's, column half l / 16, for stmatrix. fp32: its
    // own row and column pair. Swapped: the warp's 16 rows of the product are columns of D; lane l
    // addresses row l % 8 of D (plus 8 in the upper half warp), column half l / 8 % 2.
    const int in_chunk =
        kSwap ? (lane / 16 * 8 + lane % 8) * kRowBytes + warp * 32 + lane / 8 % 2 * 16
        : kConfig.output == Output::kBf16 ? (row + lane % 16) * kRowBytes + lane / 16 * 16
                                          : (row + lane / 4) * kRowBytes + lane % 4 * 8;
    write = first + tile::swizzled(in_chunk, kRowBytes);
    ptx::make_opaque(write.value);
  }

  FATHOM_DEVICE SmemAddr buffer(int index) const {
    return first + index * kPlan.staging_chunk_bytes;
  }

  /// Before and after chunks are written: nobody reads the buffers, everybody has written.
  FATHOM_DEVICE void sync() const {
    if constexpr (kByWarp)
      ptx::warp_sync();
    else
      ptx::barrier_sync(static_cast<int>(sync::NamedBarrier::kWarpgroup0) + warpgroup, kThreads);
  }

  /// Chunks [chunk, chunk + kBuffers) of a tile's row into the buffers.
  FATHOM_DEVICE void stage(const Sums& sums, int chunk) const {
#pragma unroll
    for (int buffer = 0; buffer < kBuffers; ++buffer)
      stage_chunk(sums, chunk + buffer, buffer * kPlan.staging_chunk_bytes);
  }

 private:
  FATHOM_DEVICE void stage_chunk(const Sums& sums, int chunk, int buffer_bytes) const {
    const float* v = sums.v + chunk * kChunkCols / 2;
    if constexpr (kConfig.output == Output::kFp32) {
#pragma unroll
      for (int group = 0; group < kChunkCols / 8; ++group) {
        const SmemAddr to = (write + buffer_bytes) ^ (group * 32);
        ptx::store_shared_v2(to, v[4 * group], v[4 * group + 1]);
        ptx::store_shared_v2(to + 8 * kRowBytes, v[4 * group + 2], v[4 * group + 3]);
      }
    } else if constexpr (kSwap) {
      stage_transposed(sums);
    } else if constexpr (kChunkCols >= 16) {
#pragma unroll
      for (int pair = 0; pair < kChunkCols / 16; ++pair, v += 8)
        ptx::stmatrix_x4((write + buffer_bytes) ^ (pair * 32), ptx::pack_bf16(v[0], v[1]),
                         ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                         ptx::pack_bf16(v[6], v[7]));
    } else {
      ptx::stmatrix_x2(write + buffer_bytes, ptx::pack_bf16(v[0], v[1]),
                       ptx::pack_bf16(v[2], v[3]));
    }
  }

  /// The 64 columns of D that a swapped product's 64 rows are: one chunk.
  FATHOM_DEVICE void stage_transposed(const Sums& sums) const {
    const float* v = sums.v;
#pragma unroll
    for (int pair = 0; pair < Sums::kGroups / 2; ++pair, v += 8)
      ptx::stmatrix_x4_trans(write + pair * 16 * kRowBytes, ptx::pack_bf16(v[0], v[1]),
                             ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                             ptx::pack_bf16(v[6], v[7]));
    if constexpr (Sums::kGroups % 2 == 1)
      ptx::stmatrix_x2_trans(write + Sums::kGroups / 2 * 16 * kRowBytes, ptx::pack_bf16(v[0], v[1]),
                             ptx::pack_bf16(v[2], v[3]));
  }
};

}  // namespace fathom::device::gemm
