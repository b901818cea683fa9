// The compute skeleton: many rows, bound by the tensor cores and by power. Device layer of the gemm
// family; must not include another family.
//
// One CTA per SM walks over tiles (persistent). Its last warpgroup loads, the others multiply and
// store; between them lies a ring of stages in shared memory, carried across tiles, so that loads
// for the next tile run under the epilogue of this one:
//
//   loader                                          math warpgroups
//   acquire -> TMA A, B, scales -> full   [ ring ]  await -> wgmma -> promote -> release
//                                                   after the last block: stage -> TMA store
//
// Grouped: a third warp of the loading warpgroup finds the tiles for all (tile_queue.cuh), a fourth
// stores zeros where that is asked for.
#pragma once

#include "gemm/config.hpp"
#include "gemm/epilogue.cuh"
#include "gemm/item_scan.cuh"
#include "gemm/loader.cuh"
#include "gemm/mainloop.cuh"
#include "gemm/params.hpp"
#include "gemm/prefetch.cuh"
#include "gemm/smem.hpp"
#include "gemm/tile_queue.cuh"
#include "gemm/walk.cuh"
#include "gemm/zero_fill.cuh"
#include "ptx/barrier.cuh"
#include "ptx/grid.cuh"
#include "ptx/memory.cuh"
#include "ptx/thread.cuh"
#include "sync/pipeline.cuh"

namespace fathom::device::gemm {

template <Config kConfig>
struct ComputeKernel {
  static_assert(why_illegal(kConfig) == nullptr);
  using Ring = sync::Ring<kConfig.num_stages, kConfig.bounded_waits>;
  static constexpr SmemPlan kPlan = plan_smem(kConfig);
  static constexpr int kMathWarps = kConfig.math_warpgroups * 4;
  static constexpr bool kStoresLate = kConfig.stores_late();

  FATHOM_DEVICE static void run(const Params& params, unsigned char* dynamic_smem) {
    const SmemAddr smem = ptx::smem_address(dynamic_smem);
    const int warp = ptx::warp_uniform(ptx::thread_index() / 32);
    const int pair_rank = kConfig.cluster_size() > 1 ? ptx::cluster_rank() : 0;
    const Ring ring{smem + kPlan.full_barriers, smem + kPlan.empty_barriers, {params.wait_report}};
    const TileQueue<kConfig> queue{smem, {params.wait_report}};

    if (warp == kMathWarps) {
      ComputeOperands<kConfig> operands(params, smem, ring, queue, pair_rank);
      start_together();
      ptx::wait_for_previous_grid();
      if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
      if (ptx::elect_one()) {
        operands.run();
        ptx::launch_next_grid();
      }
    } else {
      if (kConfig.grouped && warp == kMathWarps + 2) prefetch_groups(params.groups);
      if (ptx::elect_one()) prepare(params, warp, ring, queue);
      ptx::warp_sync();
      start_together();
      if (warp == kMathWarps + 3 && params.weights_constant != 0 && ptx::elect_one())
        prefetch_weights<kConfig>(params, {0, params.k_blocks}, pair_rank);
      ptx::wait_for_previous_grid();
      if (warp > kMathWarps) {
        if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_dec<kConfig.load_registers()>();
        run_beside(params, smem, ring, queue, warp - kMathWarps, pair_rank);
      } else {
        if constexpr (kConfig.moves_registers()) ptx::setmaxnreg_inc<kConfig.math_registers()>();
        run_math(params, smem, ring, queue, warp, pair_rank);
      }
    }
    if constexpr (kConfig.cluster_size() > 1) {
      ptx::warp_sync();
      ptx::cluster_arrive();
      ptx::cluster_wait();  // the peer may still multicast into this CTA or signal its barriers
    }
  }

 private:
  /// One thread of each warp but the loading one: barriers, which a thread makes 12 clocks apart.
  FATHOM_DEVICE static void prepare(const Params& params, int warp, const Ring& ring,
                                    const TileQueue<kConfig>& queue) {
    const int copying = copying_lanes<kConfig>(params);
    if (warp == 0) ring.init_full(1 + copying);
    if (warp == 1) ring.init_empty(kMathWarps * kConfig.cluster_size());
    if (kConfig.grouped && warp == 2) queue.init(kMathWarps + 1 + (copying > 0 ? 1 : 0));
    if (warp == kMathWarps + 3) prefetch_maps<kConfig>(params);
    ptx::fence_mbarrier_init();
  }

  /// The barriers exist, in the peer too.
  FATHOM_DEVICE static void start_together() {
    if constexpr (kConfig.cluster_size() > 1) {
      ptx::cluster_arrive_relaxed();
      ptx::cluster_wait();
    } else {
      ptx::barrier_sync_unaligned(static_cast<int>(sync::NamedBarrier::kCta),
                                  kConfig.num_threads());
    }
  }

  /// The warps beside the loading one.
  FATHOM_DEVICE static void run_beside(const Params& params, SmemAddr smem, const Ring& ring,
                                       const TileQueue<kConfig>& queue, int warp, int pair_rank) {
    if (warp == 1 && copying_lanes<kConfig>(params) > 0)
      ComputeScales<kConfig>{params, smem, ring, queue, pair_rank}.run();
    if constexpr (kConfig.grouped) {
      if (warp == 2) queue.run(params, pair_rank);
      if (warp == 3 && params.zero_padding != 0) zero_padding_rows(params);
    }
  }

  FATHOM_DEVICE static void run_math(const Params& params, SmemAddr smem, const Ring& ring,
                                     const TileQueue<kConfig>& queue, int warp, int pair_rank) {
    const int warpgroup = warp / 4;
    Mainloop<kConfig> mainloop(smem, ring, warpgroup, warp % 4);
    const Epilogue<kConfig> epilogue(params, smem, warpgroup, warp % 4);
    auto walk = walk_tiles<kConfig, true>(params, queue, pair_rank);
    if (walk.valid()) mainloop.start();
    const auto store = [&](const Tile& tile, int wave) {
      epilogue.store(mainloop.sums[wave], tile, wave);
    };
    bool pending = false;  // a tile's sums wait to be stored
    Tile tile;
    for (; walk.valid(); walk.advance()) {
      if constexpr (kConfig.grouped) {
        if (!stores_any(params, walk.tile(), warpgroup)) {
          mainloop.skip_tile(params.k_blocks);
          continue;
        }
      }
      mainloop.multiply_tile(params.k_blocks, kUsesColumn ? walk.tile().col : 0, [&](int wave) {
        if (kStoresLate && pending) store(tile, wave);
        if (!kUsesColumn && wave == kConfig.waves() - 1) tile = walk.tile();
      });
      if constexpr (kUsesColumn) tile = walk.tile();
      pending = kStoresLate;
      if constexpr (!kStoresLate) store_waves(store, tile);
    }
    if (pending) store_waves(store, tile);
    epilogue.finish();
  }

  /// Whether any element of this warpgroup's share of a grouped tile is stored. The same in the
  /// whole warpgroup.
  FATHOM_DEVICE static bool stores_any(const Params& params, const Tile& tile, int warpgroup) {
    const int first = warpgroup * kConfig.waves() * kWgmmaM;
    const bool any = kConfig.swap_operands
                         ? tile.col + first < params.n
                         : tile.col < params.n && tile_base(tile.row) + first < tile.row_end;
    return ptx::ballot(any) != 0;
  }

  /// Whether factors depend on the tile's column: else it is computed under the first wgmma.
  static constexpr bool kUsesColumn = kConfig.scale_b_blocks() > 1 || kConfig.swap_operands;

  template <typename Store>
  FATHOM_DEVICE static void store_waves(const Store& store, const Tile& tile) {
#pragma unroll
    for (int wave = 0; wave < kConfig.waves(); ++wave) store(tile, wave);
  }
};

}  // namespace fathom::device::gemm
