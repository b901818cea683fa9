// What reports call the parts of a GEMM kernel: regions of its shared memory and roles of its
// threads; and how it is launched. Emulator layer; sees the family's contract.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/launch.hpp"
#include "gemm/launch.hpp"
#include "gemm/smem.hpp"

namespace fathom::emulator {

inline std::vector<SharedRegion> regions_of(const device::gemm::Config& c) {
  const device::gemm::SmemPlan p = device::gemm::plan_smem(c);
  std::vector<SharedRegion> regions = {
      {"full", p.full_barriers, 8, c.rings() * c.num_stages},
      {"empty", p.empty_barriers, 8, c.rings() * c.num_stages},
      {"a", p.a, p.a_stage_bytes, c.num_stages},
      {"b", p.b, p.b_stage_bytes, c.num_stages},
  };
  if (c.tma_store())
    regions.push_back({"staging", p.staging, p.staging_chunk_bytes, c.staging_buffers()});
  const int scales = c.stream() ? c.max_k_blocks : c.num_stages;
  regions.push_back({"scale_a", p.scale_a, p.scale_a_stage_bytes, scales});
  regions.push_back({"scale_b", p.scale_b, p.scale_b_stage_bytes, scales});
  if (c.grouped) {
    regions.push_back({"tiles", p.tiles, 16, device::gemm::kTileSlots});
    regions.push_back({"tile_full", p.tile_full_barriers, 8, device::gemm::kTileSlots});
    regions.push_back({"tile_empty", p.tile_empty_barriers, 8, device::gemm::kTileSlots});
  }
  if (c.resident()) {
    regions.push_back({"b_full", p.b_full_barriers, 8, c.num_stages});
    regions.push_back({"b_empty", p.b_empty_barriers, 8, c.num_stages});
  }
  if (c.stream()) {
    regions.push_back({"scales_full", p.scales_full_barrier, 8, 1});
    regions.push_back({"scales_empty", p.scales_empty_barrier, 8, 1});
    regions.push_back({"partials_full", p.partials_full_barriers, 8, c.math_warpgroups});
    regions.push_back({"partials_empty", p.partials_empty_barriers, 8, c.math_warpgroups});
    regions.push_back({"partials", p.partials, p.partials_bytes, 1});
  }
  return regions;
}

/// The math warpgroups come first, then the one that loads.
inline std::string role_of(const device::gemm::Config& c, int thread) {
  const int warp = thread / 32;
  const int warpgroup = warp / 4;
  const std::string in_group = "warp " + std::to_string(warp % 4);
  if (warpgroup >= c.math_warpgroups) return "loader " + in_group;
  return "math warpgroup " + std::to_string(warpgroup) + " " + in_group;
}

/// `max_ctas` as for device::gemm::launch_shape.
inline LaunchShape launch_of(const device::gemm::Config& c, const device::gemm::Params& params,
                             std::int64_t max_ctas) {
  const device::gemm::LaunchShape shape = device::gemm::launch_shape(
      c, params.schedule, max_ctas, device::gemm::plan_smem(c).total_bytes);
  return {.grid = shape.grid,
          .cluster = shape.cluster,
          .threads = shape.block,
          .shared_bytes = shape.smem_bytes,
          .registers = c.launch_registers(),
          .programmatic = false};
}

inline Options options_of(const device::gemm::Config& c, std::uint64_t seed) {
  Options options;
  options.seed = seed;
  options.regions = regions_of(c);
  options.role_of = [c](int thread) { return role_of(c, thread); };
  return options;
}

}  // namespace fathom::emulator
