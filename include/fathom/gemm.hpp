// FP8 matrix multiplication with fine-grained scaling, dense and grouped. Public layer; plain
// C++20.
//
// D = sum over blocks b of 128 along k:  (scale_a[row, b] * scale_b[col, b]) * (A_b * B_b^T), in
// FP32, b ascending.
//
// The contract in full (layouts, tails, padding, promises) stands in docs/numerics.md and
// docs/kernels/gemm.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <fathom/export.h>
#include <fathom/context.hpp>
#include <fathom/tensor.hpp>

namespace fathom {

/// Which rows belong to which group. Metadata lies where the operands lie (device memory for CUDA
/// tensors) and is read by the kernel when it runs, never by the host on the CUDA backend.
struct FATHOM_API Groups {
  enum class Form : std::int32_t {
    kNone = 0,      ///< dense
    kOffsets = 1,   ///< index = offsets [G + 1], int32 or int64: rows [offsets[g], offsets[g + 1])
                    ///< are group g
    kRowGroup = 2,  ///< index = row_group [m], int32: the group of each row, -1 = nobody's
    kGroupEnd =
        3,  ///< index = group_end [G], int32: exclusive ends; starts rounded up to `alignment`
    kMasked = 4,  ///< index = rows [G], int32: the first rows[g] of the max_m rows of group g
  };
  Form form = Form::kNone;
  TensorView index;
  std::int64_t alignment = 128;  ///< kRowGroup, kGroupEnd: 16, 32, 64, 128 or 256 rows
  std::int64_t expected_m =
      0;  ///< a hint: rows expected in a group, 0 = unknown; never changes the result

  static Groups offsets(TensorView offsets, std::int64_t expected_m = 0);
  static Groups row_group(TensorView row_group, std::int64_t alignment = 128,
                          std::int64_t expected_m = 0);
  static Groups group_end(TensorView group_end, std::int64_t alignment = 128,
                          std::int64_t expected_m = 0);
  static Groups masked(TensorView rows, std::int64_t expected_m = 0);
};

/// The operands, K' = ceil(k / 128), N' = ceil(n / 128). Bases 16-byte aligned, pitches of a, b and
/// d multiples of 16 bytes, last dimension of a, b and d contiguous. Scales in either order,
/// described by their strides.
struct GemmOperands {
  TensorView a;        ///< e4m3 [m, k]; masked: [G, max_m, k]
  TensorView scale_a;  ///< fp32 [m, K']; masked: [G, max_m, K']
  TensorView b;        ///< e4m3 [n, k]; grouped: [G, n, k]
  TensorView scale_b;  ///< fp32 [N', K'] (one scale a 128x128 block) or [n, K'] (one a row and 128
                       ///< of k); grouped: leading G
  TensorView d;        ///< bf16 or fp32 [m, n]; masked: [G, max_m, n]; written
  Groups groups;       ///< kNone for the dense product
};

struct GemmOptions {
  Backend backend = Backend::kAuto;
  bool accumulate = false;  ///< D += instead of D =; D must be fp32, dense only
  bool batch_invariant =
      false;  ///< a row's bits depend neither on m, nor on other rows, nor on the tile chosen
  bool zero_padding =
      false;  ///< kRowGroup: store zeros to rows of -1 instead of leaving them untouched
  bool programmatic_launch =
      false;  ///< CUDA: overlap the tail of the previous kernel in the stream
  bool weights_constant =
      false;  ///< with programmatic_launch: b and scale_b are not written by that kernel
  bool check_metadata = false;  ///< CUDA: read the metadata on the host and refuse what breaks its
                                ///< rules (synchronises)
  int max_sms = 0;              ///< CUDA: streaming multiprocessors this call may use; 0 = all
  std::string config;  ///< force this config by its tag (fathom plan lists them); empty = planned
};

/// A checked, planned and bound call. Launch it as often as the operands' contents change; from any
/// thread.
class FATHOM_API GemmPlan {
 public:
  /// `stream` is a CUstream; ignored by the CPU backend, which returns when D is written. On the
  /// CUDA backend a launch allocates nothing, synchronises nothing and loads nothing.
  void launch(void* stream = nullptr) const;

  Backend backend() const;            ///< never kAuto
  const std::string& config() const;  ///< tag of the config that runs
  const std::string& explain()
      const;  ///< the plan as a JSON object: problem, config, launch, candidates, why

  struct Impl;
  explicit GemmPlan(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Checks, plans, prepares (compiles or loads what is missing) and binds. Throws Error.
FATHOM_API GemmPlan plan_gemm(const Context& context, const GemmOperands& operands,
                              const GemmOptions& options = {});

/// plan_gemm(...).launch(stream) for the dense product. Throws Error before anything is written.
FATHOM_API void gemm(const Context& context, const GemmOperands& operands,
                     const GemmOptions& options = {}, void* stream = nullptr);
/// The same for grouped operands: operands.groups.form must not be kNone.
FATHOM_API void grouped_gemm(const Context& context, const GemmOperands& operands,
                             const GemmOptions& options = {}, void* stream = nullptr);

/// The reason why this call would be refused, or nothing when it would run. Reads shapes and
/// pointers, no data.
FATHOM_API std::optional<std::string> can_implement(const Context& context,
                                                    const GemmOperands& operands,
                                                    const GemmOptions& options = {});

}  // namespace fathom
