// What a CTA may do before the kernel ahead of it has ended: bring constant weights into L2. Device
// layer of the gemm family; must not include another family.
#pragma once

#include "gemm/boxes.cuh"
#include "gemm/config.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "gemm/walk.cuh"
#include "ptx/tma.cuh"

namespace fathom::device::gemm {

/// One thread: the tensor maps themselves.
template <Config kConfig>
FATHOM_DEVICE void prefetch_maps(const Params& params) {
  ptx::prefetch_tensormap(params.a);
  ptx::prefetch_tensormap(params.b);
  if (kConfig.strip_n > 0) ptx::prefetch_tensormap(params.b_strip);
  if (params.a_tail_rows > 0) ptx::prefetch_tensormap(params.a_tail);
  if (params.b_tail_rows > 0) ptx::prefetch_tensormap(params.b_tail);
  if (params.scales_of_a.by_tma) ptx::prefetch_tensormap(params.scale_a);
  if (params.scales_of_b.by_tma) ptx::prefetch_tensormap(params.scale_b);
  if (params.d_tma_cols > 0) ptx::prefetch_tensormap(params.d);
}

/// One thread. The boxes of B that the CTA's first lap of the ring will load. L2 rather than shared
/// memory: the ring, its barriers and the order of loads stay as they are, and the loads that
/// follow cost L2's latency instead of memory's.
template <Config kConfig>
FATHOM_DEVICE void prefetch_weights(const Params& params, KRange range, int pair_rank) {
  if constexpr (kConfig.grouped) return;  // which weights comes first is not known before the wait
  const TileWalk<kConfig> walk(params, pair_rank);
  if (!walk.valid()) return;
  const Box box = box_of_b<kConfig>(params, walk.tile());
  if (box.rows == 0) return;
  const int row = walk.tile().col + (kConfig.cluster_m > 1 ? pair_rank * box.rows : 0);
  const int end = min_of(range.end, range.begin + kConfig.num_stages);
#pragma unroll 1
  for (int k_block = range.begin; k_block < end; ++k_block)
    ptx::tma_prefetch_2d(box.map(params.b, params.b_tail), k_block * kBlockK, row, params.b_policy);
}

}  // namespace fathom::device::gemm
