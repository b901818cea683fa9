// What changes per launch: pointers, sizes, strides, tile order, tensor maps. Contract layer: host
// binder, emulator and kernel share it; includes only the contract and base/.
#pragma once

#include "base/address.hpp"
#include "gemm/groups.hpp"
#include "gemm/schedule.hpp"
#include "sync/wait_report.hpp"

namespace fathom::device::gemm {

using fathom::TensorMap;

/// Scales that lie anywhere: element (i, k block) at data[i * stride + block * k_stride]. i counts
/// rows of A, or 128-row blocks (k128x128) or rows (k1x128) of B. Strides are 64-bit; `count` is
/// the number of i. Grouped: those of group g lie g * group_stride further on.
struct ScaleView {
  const float* data = nullptr;
  int64_t stride = 0;
  int64_t k_stride = 0;
  int64_t group_stride = 0;
  int32_t group_blocks = 0;  ///< by TMA: group_stride in steps of k_stride
  int32_t count = 0;
  /// Nonzero: fetched by TMA (unit stride along i, pitch and base multiples of 16 bytes); 0:
  /// gathered by the loading warps.
  int32_t by_tma = 0;
};

/// The kernel's one argument: const __grid_constant__ Params (PTX ISA: tensor maps must lie in
/// param, const or global space).
struct Params {
  TensorMap a, b, b_strip, scale_a, scale_b, d;
  TensorMap a_tail, b_tail;  ///< the same operands in boxes for the last tiles, see tail_rows
  ScaleView scales_of_a, scales_of_b;
  void* d_data = nullptr;  ///< what TMA does not store goes through this
  int64_t d_pitch = 0;     ///< elements
  Schedule schedule;
  int32_t n = 0;
  int32_t d_tma_cols = 0;  ///< columns of D that TMA or 16-byte stores can move, see tma_cols
  int32_t k_blocks = 0;    ///< ceil(k / 128), at least 1
  int32_t accumulate = 0;  ///< nonzero: D += (output kFp32 only)
  /// Nonzero: no earlier kernel of the stream writes B, so that its first boxes are brought into L2
  /// before the wait for that kernel (programmatic dependent launch).
  int32_t weights_constant = 0;
  // Rows in one box. Rows of a tile that no box fetches are never written, multiplied as they lie,
  // and not stored.
  int32_t a_box_rows = 0;   ///< of A
  int32_t a_tail_rows = 0;  ///< of a_tail; 0 = there is none
  int32_t b_box_rows = 0;   ///< the same of B
  int32_t b_tail_rows = 0;
  /// Scales of A in one box for a block of k: min(block_m, m rounded up to 4) unless grouped. TMA
  /// takes a clock for every element of a box that lies outside its tensor, and meanwhile no loads.
  int32_t scale_a_rows = 0;
  // Grouped. Seen by TMA, B is one matrix in which group g starts at row g * b_group_rows; A and D
  // of the masked form likewise (otherwise their group_rows are 0).
  GroupIndex groups;
  int32_t a_group_rows = 0;
  int32_t b_group_rows = 0;
  int32_t d_group_rows = 0;
  int32_t zero_padding = 0;  ///< nonzero, kRowGroup: rows of nobody are stored as zeros
  uint64_t a_policy = 0;  ///< L2 eviction policy words of the loads (createpolicy), see CachePolicy
  uint64_t b_policy = 0;
  sync::WaitReport* wait_report = nullptr;  ///< bounded_waits: pinned host memory, may be null
};

/// createpolicy.fractional words with fraction 1, as the assembler folds them (PTX ISA,
/// createpolicy). Weights that one cluster reads once go evict-first; never evict-last (such lines
/// survive an L2 flush and falsify benchmarks).
enum class CachePolicy : uint64_t {
  kNormal = 0x1000000000000000,
  kEvictFirst = 0x12F0000000000000,
};

}  // namespace fathom::device::gemm
