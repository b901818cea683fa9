// What a GEMM costs on a device: a small model of the machine, in microseconds. Planning layer:
// pure.
//
//   total = start + main + epilogue
//   main  = p-norm of the five things that run side by side: tensor cores, the serial latency of a
//   warpgroup's block
//           of k, the ring's round trip, L2-to-SM bytes, HBM bytes. A p-norm is close to the
//           largest and grows when several are near it.
//
// Everything of a CTA counts in steps = ceil(units / clusters): the wave quantisation.
#pragma once

#include <cstdint>

#include "gemm/sizes.hpp"
#include "plan/device_spec.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::plan {

/// The numbers that measurements set; those of the machine stand in DeviceSpec. These are for
/// groups; dense products have a fit of their own, dense_coefficients.
struct GemmCostCoefficients {
  double launch_us = 1.366;          ///< launch, set-up and drain of a kernel without work
  double fill_us = 1.14;             ///< first instruction to first operands
  double cluster_start_us = 0.5035;  ///< more before the CTAs of a cluster may signal each other
  double cta_launch_us = 0;          ///< more for as many CTAs as the device has SMs
  double compute_start_us =
      0;  ///< more in the compute and resident skeletons; in groups, in fill_us
  double resident_start_us = 0;  ///< more in the resident one, which awaits columns of B
  double hbm_ramp_us = 0.7053;   ///< until HBM streams at its rate
  double norm = 4.9;             ///< the p of the p-norm
  double tensor_efficiency =
      0.958;  ///< share of the tensor rate that a loop without stalls reaches
  /// Clock won under the power cap by idle slots of the last step: busy share to minus this power.
  double idle_clock_exponent = 0.3833;
  /// Share of a long product's time that its loads cost, by the clock: back to back, 32,768 rows
  /// take 17 % less without them (bench/journal.md). From that, not fitted; groups are as they
  /// were.
  double load_clock_share = 0;
  /// Until the clock begins to fall to what loads leave: of 60, 100 and 150 the one with the least
  /// regret.
  double short_us = 150;
  /// Wait, fence, issue, drain, promote: what a warpgroup's block of k takes beyond its wgmma ...
  double block_latency_clk = 240;
  double early_wait_clk = 596.8;  ///< ... with the next stage awaited under the running wgmma
  /// ... the same in groups, by timings made after the promotion got its control bits
  /// (jit/ffma_runs.hpp); the dense ones above 256 rows are older.
  double grouped_early_wait_clk = 450;
  double stream_latency_clk = 258.9;  ///< ... in the stream skeleton
  /// ... of which this share of the wgmma is hidden, because other blocks are in flight.
  double stream_overlap_share = 0;
  double pair_latency_clk = 98;       ///< ... more where a pair waits for both halves of an operand
  double latency_clock_share = 1.07;  ///< SM clock of a loop that waits, of the highest
  double swapped_latency_clk =
      100;  ///< ... more for 64 rows that each bring a scale, swapped operands
  /// What a slice of 64 rows that belong to nobody in a tile costs of one that is multiplied. In
  /// equal groups the same CTAs have it every time, and nothing is won.
  double foreign_slice_share = 0.47;
  double odd_width_share = 0.1149;   ///< lost in the loop when scales of B change within 32 columns
  double l2_rate_share = 1.36;       ///< L2's rate reached, of DeviceSpec's: all SMs together ...
  double sm_rate_share = 1.36;       ///< ... and into one of them
  double split_line_share = 0.814;   ///< a row of a load that lies in two lines of L2 takes longer
  double split_sector_share = 2.06;  ///< ... one that begins inside a sector
  double load_round_trip_us = 1.598;  ///< a slot's release to the arrival of its next operands
  double stream_reread_share = 0.5;   ///< weights that a second tile of rows finds no more in L2
  double group_reread_share = 0.185;  ///< the same of a group's second tile of rows, its neighbour
  /// A tile that goes beyond n fetches columns of the next group: what of that costs bandwidth.
  double group_overhang_share = 0.56;
  double shared_line_bytes = 100;       ///< memory traffic where two CTAs write one line of D ...
  double shared_sector_bytes = 341;     ///< ... and one sector
  double hbm_tail_share = 0.3044;       ///< bandwidth lost to the idle slots of the last step
  double staging_bytes_per_ns = 56.76;  ///< compute: D through staging and TMA, per SM
  double staging_wait_us = 0.1237;      ///< until a staging buffer has been read by its store
  double narrow_chunk_us = 0.101;  ///< a chunk of D more, where its rows are staged in short ones
  double compute_tile_us = 0;      ///< more for each tile of the compute and resident skeletons
  double third_warpgroup_hides = 0.1707;  ///< share of an epilogue that two more warpgroups cover
  // Resident, by bench/results/2026-11-21-h200-resident.json and no fit: the same where each
  // warpgroup has a ring of its own, and what it costs to go on to other columns of B.
  double own_ring_hides = 0.42;
  double column_change_us = 1.3;
  double whole_laps_us = 0.07;    ///< won a tile where no block of k is outside whole laps
  double stream_tail_us = 0.112;  ///< last loads to last stores
  double stream_step_us = 0.6;    ///< next tile of a CTA: its scales wait for the table of the last
  double stream_store_bytes_per_ns = 29.34;  ///< D of one CTA by 16-byte stores
  double warpgroup_reduce_us = 0.2731;       ///< adding the sums of warpgroups
  double cluster_reduce_us = 0.3364;         ///< adding the sums of one more CTA of a cluster
  double cluster_push_bytes_per_ns = 30;     ///< ... and sending it those of a tile
};

/// Fitted to every other problem of bench/results/2026-11-22-h200-gemm-configs.json, by the
/// objective of tests/fit/gemm_cost.cpp with the regret softened (bench/journal.md, "the planner").
GemmCostCoefficients dense_coefficients();

/// Calls visit(name, value) for every coefficient, const or not, in declaration order.
template <typename Coefficients, typename Visit>
void for_each_coefficient(Coefficients& c, Visit&& visit) {
  visit("launch_us", c.launch_us);
  visit("fill_us", c.fill_us);
  visit("cluster_start_us", c.cluster_start_us);
  visit("cta_launch_us", c.cta_launch_us);
  visit("compute_start_us", c.compute_start_us);
  visit("resident_start_us", c.resident_start_us);
  visit("hbm_ramp_us", c.hbm_ramp_us);
  visit("norm", c.norm);
  visit("tensor_efficiency", c.tensor_efficiency);
  visit("idle_clock_exponent", c.idle_clock_exponent);
  visit("load_clock_share", c.load_clock_share);
  visit("short_us", c.short_us);
  visit("block_latency_clk", c.block_latency_clk);
  visit("early_wait_clk", c.early_wait_clk);
  visit("grouped_early_wait_clk", c.grouped_early_wait_clk);
  visit("stream_latency_clk", c.stream_latency_clk);
  visit("stream_overlap_share", c.stream_overlap_share);
  visit("pair_latency_clk", c.pair_latency_clk);
  visit("latency_clock_share", c.latency_clock_share);
  visit("swapped_latency_clk", c.swapped_latency_clk);
  visit("foreign_slice_share", c.foreign_slice_share);
  visit("odd_width_share", c.odd_width_share);
  visit("l2_rate_share", c.l2_rate_share);
  visit("sm_rate_share", c.sm_rate_share);
  visit("split_line_share", c.split_line_share);
  visit("split_sector_share", c.split_sector_share);
  visit("load_round_trip_us", c.load_round_trip_us);
  visit("stream_reread_share", c.stream_reread_share);
  visit("group_reread_share", c.group_reread_share);
  visit("group_overhang_share", c.group_overhang_share);
  visit("shared_line_bytes", c.shared_line_bytes);
  visit("shared_sector_bytes", c.shared_sector_bytes);
  visit("hbm_tail_share", c.hbm_tail_share);
  visit("staging_bytes_per_ns", c.staging_bytes_per_ns);
  visit("staging_wait_us", c.staging_wait_us);
  visit("narrow_chunk_us", c.narrow_chunk_us);
  visit("compute_tile_us", c.compute_tile_us);
  visit("third_warpgroup_hides", c.third_warpgroup_hides);
  visit("own_ring_hides", c.own_ring_hides);
  visit("column_change_us", c.column_change_us);
  visit("whole_laps_us", c.whole_laps_us);
  visit("stream_tail_us", c.stream_tail_us);
  visit("stream_step_us", c.stream_step_us);
  visit("stream_store_bytes_per_ns", c.stream_store_bytes_per_ns);
  visit("warpgroup_reduce_us", c.warpgroup_reduce_us);
  visit("cluster_reduce_us", c.cluster_reduce_us);
  visit("cluster_push_bytes_per_ns", c.cluster_push_bytes_per_ns);
}

/// The parts of a cost, in microseconds.
struct GemmCost {
  double start_us = 0;     ///< launch and fill
  double tensor_us = 0;    ///< tensor cores, padding included
  double latency_us = 0;   ///< one warpgroup's serial chain over its blocks of k
  double ring_us = 0;      ///< blocks of k over slots, at the latency of loads
  double l2_us = 0;        ///< bytes into the busiest SM
  double hbm_us = 0;       ///< bytes from and to memory, write-backs of dirty lines included
  double epilogue_us = 0;  ///< what no main loop hides
  double total_us = 0;
  std::int64_t tiles = 0;      ///< tiles of D, those of pairs that lie outside it included
  std::int64_t steps = 0;      ///< tiles of the busiest CTA
  std::int64_t most_ctas = 0;  ///< to launch, see gemm_cost
  int band_tiles = 1;          ///< tiles along m walked together (device/gemm/schedule.hpp)
};

/// `sms` = the budget of the call, `ctas` = as many as may be resident in it at once. The grid that
/// a grouped launch will have is not asked: it depends on the rows of the buffers.
///
/// Where steps can be counted, compute kernels take as few CTAs as finish in the same steps:
/// (4096, 7168, 16384) is 7 tiles for each of 128 CTAs, and 132 would be done no sooner, but draw
/// more power in the first six (dense 0.4 % at m = 4096, 8 groups of 4096 rows 1.7 %;
/// bench/journal.md). Few rows are not short of power, and a resident CTA has a run of tiles.
GemmCost gemm_cost(const GemmConfig& config, const device::gemm::Sizes& sizes, std::int64_t ctas,
                   int sms, const DeviceSpec& device, const GemmCostCoefficients& coefficients);

/// "tensor", "latency", "ring", "l2" or "hbm": the largest part of the main loop.
const char* bound_by(const GemmCost& cost);

/// Tiles along m to walk together: so that the rows and columns in flight are fewest, or more when
/// their rows of A (k bytes each) fill no more than two thirds of L2's useful part; bands of one
/// size.
int band_tiles_of(const GemmConfig& config, std::int64_t units_m, std::int64_t clusters,
                  std::int64_t k, std::int64_t l2_useful_bytes);

}  // namespace fathom::plan
