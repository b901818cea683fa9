// The cost model's numbers for dense products on an H200. Planning layer: pure.
#include "plan/gemm_cost.hpp"

namespace fathom::plan {

GemmCostCoefficients dense_coefficients() {
  GemmCostCoefficients c;
  c.tensor_efficiency = 1.028;
  c.launch_us = 1.379;
  c.fill_us = 0.4656;
  c.cluster_start_us = 0.8303;
  c.cta_launch_us = 0.03508;
  c.compute_start_us = 1.377;
  c.resident_start_us = 1.124;
  c.hbm_ramp_us = 0.005141;
  c.norm = 2.936;
  c.idle_clock_exponent = 0.6754;
  c.load_clock_share = 0.17;
  c.block_latency_clk = 144.2;
  c.early_wait_clk = 316.1;
  c.stream_latency_clk = 150;
  c.stream_overlap_share = 0.005359;
  c.pair_latency_clk = 95.6;
  c.latency_clock_share = 0.9999;
  c.foreign_slice_share = 0;
  c.odd_width_share = 0.04823;
  c.l2_rate_share = 2.011;
  c.sm_rate_share = 1.462;
  c.split_line_share = 0.7964;
  c.split_sector_share = 3.561;
  c.load_round_trip_us = 1.197;
  c.stream_reread_share = 0.4869;
  c.shared_line_bytes = 66.38;
  c.shared_sector_bytes = 520.1;
  c.hbm_tail_share = 0.243;
  c.staging_bytes_per_ns = 72.08;
  c.staging_wait_us = 0.02866;
  c.narrow_chunk_us = 0.06896;
  c.own_ring_hides = 0.98;
  c.column_change_us = 2.398;
  c.whole_laps_us = 0.3447;
  c.compute_tile_us = 0.1304;
  c.third_warpgroup_hides = 0.05893;
  c.stream_tail_us = 0.04101;
  c.stream_step_us = 0.08339;
  c.stream_store_bytes_per_ns = 33.07;
  c.warpgroup_reduce_us = 0.3649;
  c.cluster_reduce_us = 0.1949;
  c.cluster_push_bytes_per_ns = 21.2;
  return c;
}

}  // namespace fathom::plan
