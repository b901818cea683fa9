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
#include <vector>

#include <fathom/export.h>
#include <fathom/context.hpp>
#include <fathom/tensor.hpp>

namespace fathom {

/// Which rows belong to which group. Metadata lies where the operands lie (device memory for CUDA
/// tensors). On the CUDA backend the kernel reads it when it runs, the host never does; on the CPU
/// every launch reads and checks it first. Its contents may change between launches.
struct FATHOM_API Groups {
  enum class Form : std::int32_t {
    /// No groups: the dense product.
    kNone = 0,
    /// offsets [G + 1], int32 or int64, ascending: rows [offsets[g], offsets[g + 1]) are group g.
    /// No
    /// alignment is asked; an empty group repeats its start; rows past offsets[G] are nobody's.
    kOffsets = 1,
    /// row_group [m], int32: the group of each row, or -1 for nobody's. Every aligned block of
    /// `alignment` rows holds rows of one group, then possibly rows of -1; or -1 alone. Blocks
    /// stand
    /// in any order.
    kRowGroup = 2,
    /// group_end [G], int32: where the rows of each group end (exclusive, before padding). A group
    /// starts where the one before it ended, rounded up to a multiple of `alignment`.
    kGroupEnd = 3,
    /// rows [G], int32: the first rows[g] of the max_m rows of group g.
    kMasked = 4,
  };
  Form form = Form::kNone;
  TensorView index = {};
  /// kRowGroup, kGroupEnd: 16, 32, 64, 128 or 256 rows.
  std::int64_t alignment = 128;
  /// A hint: rows expected in a group, 0 = unknown. May change the config, never the rules.
  std::int64_t expected_m = 0;

  static Groups offsets(TensorView offsets, std::int64_t expected_m = 0);
  static Groups row_group(TensorView row_group, std::int64_t alignment = 128,
                          std::int64_t expected_m = 0);
  static Groups group_end(TensorView group_end, std::int64_t alignment = 128,
                          std::int64_t expected_m = 0);
  static Groups masked(TensorView rows, std::int64_t expected_m = 0);
};

/// The operands, K' = ceil(k / 128), N' = ceil(n / 128); m >= 0, k >= 0, n >= 1, G >= 1, each at
/// most 2^31 - 1. a, b and d: last dimension contiguous, base and pitches multiples of 16 bytes.
/// Scales: either of the last two dimensions contiguous, as their strides say; scale_a is read
/// fastest with m contiguous, base and pitch multiples of 16 bytes. All on one device; d overlaps
/// no other. Strides of dimensions with one entry or none mean nothing; pointers of tensors without
/// elements may be null.
struct GemmOperands {
  /// e4m3 [m, k]; masked: [G, max_m, k].
  TensorView a = {};
  /// fp32 [m, K']; masked: [G, max_m, K'].
  TensorView scale_a = {};
  /// e4m3 [n, k]; grouped: [G, n, k].
  TensorView b = {};
  /// fp32 [N', K'], one scale a 128 x 128 block, or [n, K'], one a row and 128 of k; grouped: with
  /// a leading G.
  TensorView scale_b = {};
  /// Written. bf16 or (dense only) fp32 [m, n]; masked: bf16 [G, max_m, n]. Rows that belong to
  /// nobody are not touched.
  TensorView d = {};
  /// kNone for the dense product.
  Groups groups = {};
};

struct GemmOptions {
  Backend backend = Backend::kAuto;
  /// D += instead of D =. d must be fp32; dense only.
  bool accumulate = false;
  /// The bits of a row depend neither on m, nor on other rows, nor on the tile or the number of
  /// multiprocessors.
  bool batch_invariant = false;
  /// kRowGroup: store zeros to rows of -1 instead of leaving them untouched.
  bool zero_padding = false;
  /// CUDA: start while the previous kernel of the stream still runs, and wait for it before the
  /// first read of what it may write.
  bool programmatic_launch = false;
  /// With programmatic_launch: the previous kernel writes neither b nor scale_b, so that they may
  /// be read before it has ended (dense products bring the first blocks of b to L2).
  bool weights_constant = false;
  /// CUDA: copy the group metadata to the host at each launch, which synchronises, and refuse what
  /// breaks its rules. The CPU backend always checks.
  bool check_metadata = false;
  /// CUDA: streaming multiprocessors that the call may use; 0 = all.
  int max_sms = 0;
  /// The tag of a config to use (`fathom plan` lists them); empty = planned.
  std::string config = {};
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

/// What GemmPlan::explain would say on a GPU that need not be in this machine: "h200", "h100",
/// "h800", "h20" or "gh200". Reads shapes, strides and the alignment of pointers, no data. Throws
/// Error.
FATHOM_API std::string explain_gemm(const GemmOperands& operands, const GemmOptions& options,
                                    const std::string& device);

/// The calls of one weight matrix, or of one set of experts: all that the choice of a GPU kernel
/// depends on, with m from min_m to max_m.
struct FATHOM_API GemmRange {
  Groups::Form form = Groups::Form::kNone;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t num_groups = 1;
  /// Dense: rows of a. Contiguous rows in groups: rows of a, or expected_m * num_groups where calls
  /// give that hint and it is less. Masked: rows expected in a group, which is max_m without a
  /// hint.
  std::int64_t min_m = 1;
  std::int64_t max_m = 0;
  /// kRowGroup, kGroupEnd.
  std::int64_t alignment = 128;
  DType out = DType::kBf16;
  /// One scale of b a row and 128 of k instead of a 128 x 128 block.
  bool scale_b_1x128 = false;
  bool batch_invariant = false;
  /// 0 = all.
  int max_sms = 0;
  /// As explain_gemm; empty = the GPU of this machine, an H200 where there is none.
  std::string device = {};
};

/// The tags of every config that the planner chooses for a call in the range, each once: what
/// compile() has to build so that none of them compiles later. Needs no GPU. Throws Error.
FATHOM_API std::vector<std::string> gemm_configs(const Context& context, const GemmRange& range);

}  // namespace fathom
