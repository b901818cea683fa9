// The cost model's numbers for dense products on an H200. Planning layer: pure.
#include "plan/gemm_cost.hpp"

namespace fathom::plan {

GemmCostCoefficients dense_coefficients() {
  GemmCostCoefficients c;
  c.launch_us = 1.467;
  c.fill_us = 0.4459;
  c.cluster_start_us = 0.6339;
  c.cta_launch_us = 0.1299;
  c.compute_start_us = 0.7294;
  c.resident_start_us = 0.9503;
  c.hbm_ramp_us = 0.02383;
  c.norm = 4.348;
  c.idle_clock_exponent = 0.4419;
  c.block_latency_clk = 322.8;
  c.early_wait_clk = 526.4;
  c.stream_latency_clk = 186.6;
  c.stream_overlap_share = 0.04695;
  c.pair_latency_clk = 113.6;
  c.latency_clock_share = 0.9867;
  c.foreign_slice_share = 0;
  c.odd_width_share = 0.01261;
  c.l2_rate_share = 1.583;
  c.sm_rate_share = 1.149;
  c.split_line_share = 0.8141;
  c.split_sector_share = 2.06;
  c.load_round_trip_us = 1.373;
  c.stream_reread_share = 0.3914;
  c.shared_line_bytes = 99.57;
  c.shared_sector_bytes = 341;
  c.hbm_tail_share = 0.3819;
  c.staging_bytes_per_ns = 62.1;
  c.staging_wait_us = 0.01334;
  c.narrow_chunk_us = 0.1203;
  c.own_ring_hides = 0.9209;
  c.column_change_us = 2.142;
  c.whole_laps_us = 0.36;
  c.compute_tile_us = 0.1478;
  c.third_warpgroup_hides = 0.1855;
  c.stream_tail_us = 0.04624;
  c.stream_step_us = 0.3119;
  c.stream_store_bytes_per_ns = 26.33;
  c.warpgroup_reduce_us = 0.5046;
  c.cluster_reduce_us = 0.2284;
  c.cluster_push_bytes_per_ns = 23.99;
  return c;
}

}  // namespace fathom::plan
