// Where everything lies in a CTA's shared memory. Contract layer: one constexpr plan for the
// planner, the launch and the kernel; includes only the contract and base/.
#pragma once

#include "base/math.hpp"
#include "gemm/config.hpp"

namespace fathom::device::gemm {

/// grouped: tiles that the walking warp finds ahead. Two hide its work; four, a scan over many
/// empty groups as well.
inline constexpr int kTileSlots = 4;

/// Byte offsets from the start of dynamic shared memory, which is 1024-byte aligned.
///
///   | a[stages] | b[stages] | staging | partials | scale_a | scale_b | tiles | barriers |
///     1024-byte aligned (swizzle)       128        128       16        16      8
///
/// kResident: a and scale_a [stage][warpgroup]; b and scale_b hold [k block] of the columns, not
/// stages of a ring.
struct SmemPlan {
  int a = 0;         ///< [stage] tiles [stage_rows, 128] e4m3, 128-byte swizzle
  int b = 0;         ///< [stage] tiles [tile_cols, 128] e4m3, 128-byte swizzle
  int staging = 0;   ///< [math warps / d_warps][chunk] tiles [d_rows, d_chunk_cols] of D
  int partials = 0;  ///< split k: sums pushed by the other parts, see split_reduction.cuh
  int scale_a = 0;   ///< kCompute: [stage][stage_rows]. kStream: [k block][block_m]. fp32
  int scale_b = 0;   ///< kCompute: [stage][scale_b_elems]. kStream: [k block][scale_b_elems]
  int a_stage_bytes = 0;
  int b_stage_bytes = 0;
  int staging_chunk_bytes = 0;
  int partials_bytes = 0;
  int scale_a_stage_bytes = 0;  ///< kStream: bytes of a block of k
  int scale_b_stage_bytes = 0;
  int tiles = 0;                    ///< grouped: [slot] the tiles found next, see tile_queue.cuh
  int tile_full_barriers = 0;       ///< grouped: [slot] a tile, or the end, is there
  int tile_empty_barriers = 0;      ///< grouped: [slot] every role has read it
  int full_barriers = 0;            ///< [ring][stage] operands have arrived
  int empty_barriers = 0;           ///< [ring][stage] every reader is done
  int b_full_barriers = 0;          ///< kResident: [k block] B's has arrived
  int b_empty_barriers = 0;         ///< kResident: [k block] every warp is done with it
  int scales_full_barrier = 0;      ///< kStream: the scale tables of a tile have arrived
  int scales_empty_barrier = 0;     ///< kStream: every reader is done with the scale tables
  int partials_full_barriers = 0;   ///< kStream: [math warpgroup] the other parts' sums are here
  int partials_empty_barriers = 0;  ///< kStream: [math warpgroup] what it pushed has been read
  int total_bytes = 0;
};

/// kStream: 8-column groups of a tile that one part of k owns, adds up and stores (the last part
/// may own fewer).
FATHOM_HD constexpr int partial_slots(const Config& c) {
  return ceil_div(c.block_n / 8, c.k_parts());
}

FATHOM_HD constexpr SmemPlan plan_smem(const Config& c) {
  SmemPlan p;
  int end = 0;
  auto place = [&end](int alignment, int bytes) {
    const int offset = round_up(end, alignment);
    end = offset + bytes;
    return offset;
  };
  p.a_stage_bytes = c.stage_rows() * kBlockK;
  p.b_stage_bytes = c.tile_cols() * kBlockK;
  p.a = place(1024, c.num_stages * p.a_stage_bytes);
  p.b = place(1024, c.num_stages * p.b_stage_bytes);
  if (c.stages_d()) {
    p.staging_chunk_bytes = c.d_rows() * c.d_chunk_cols() * c.d_bytes();
    p.staging = place(1024, c.staging_buffers() * p.staging_chunk_bytes);
  }
  if (c.stream()) {
    // Every owner (a warpgroup of this CTA) has a buffer per other part: [slot][slice][thread].
    const int slot_bytes = c.block_m / kWgmmaM * kWarpgroupThreads * 16;
    p.partials_bytes = c.k_warpgroups() * (c.k_parts() - 1) * partial_slots(c) * slot_bytes;
    p.partials = place(128, p.partials_bytes);
    p.scale_a_stage_bytes = c.block_m * 4;
    p.scale_a = place(128, c.max_k_blocks * p.scale_a_stage_bytes);
    p.scale_b_stage_bytes = c.scale_b_elems() * 4;
    p.scale_b = place(16, c.max_k_blocks * p.scale_b_stage_bytes);
  } else {
    p.scale_a_stage_bytes = round_up(c.stage_rows() * 4, 128);
    p.scale_a = place(128, c.num_stages * p.scale_a_stage_bytes);
    p.scale_b_stage_bytes = round_up(c.scale_b_elems() * 4, c.scale_b == ScaleB::k1x128 ? 128 : 16);
    p.scale_b = place(128, c.num_stages * p.scale_b_stage_bytes);
  }
  if (c.grouped) {
    p.tiles = place(16, kTileSlots * 16);
    p.tile_full_barriers = place(8, kTileSlots * 8);
    p.tile_empty_barriers = place(8, kTileSlots * 8);
  }
  p.full_barriers = place(8, c.rings() * c.num_stages * 8);
  p.empty_barriers = place(8, c.rings() * c.num_stages * 8);
  if (c.resident()) {
    p.b_full_barriers = place(8, c.num_stages * 8);
    p.b_empty_barriers = place(8, c.num_stages * 8);
  }
  if (c.stream()) {
    p.scales_full_barrier = place(8, 8);
    p.scales_empty_barrier = place(8, 8);
    p.partials_full_barriers = place(8, c.math_warpgroups * 8);
    p.partials_empty_barriers = place(8, c.math_warpgroups * 8);
  }
  p.total_bytes = round_up(end, 16);
  return p;
}

/// Why no kernel can be made of this config, shared memory included; nullptr when it is legal.
FATHOM_HD constexpr const char* why_illegal(const Config& c) {
  if (const char* reason = why_illegal_shape(c)) return reason;
  const int bytes = plan_smem(c).total_bytes;
  if (bytes > kCtaSharedBytes) return "shared memory of a CTA exceeds 227 KB";
  if (c.ctas_per_sm * (bytes + 1024) > kSmSharedBytes)
    return "shared memory of the resident CTAs exceeds 228 KB";
  return nullptr;
}

}  // namespace fathom::device::gemm
