// The rules that every operation has for its tensors, one function a rule; each throws
// Error(kInvalidArgument) with the operation, the operand, what it is and what it must be. Front
// end; reads no tensor data.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <fathom/context.hpp>
#include <fathom/tensor.hpp>

#include "plan/gemm_problem.hpp"

namespace fathom::api {

/// Bases and pitches of matrices: what the Hopper tensor memory accelerator can address. Asked of
/// every backend, so that a call that works on one works on all.
inline constexpr std::int64_t kAlignmentBytes = 16;
inline constexpr std::int64_t kMaxExtent = (std::int64_t{1} << 31) - 1;

/// One operand of a call, with the names that a message needs.
struct Operand {
  std::string_view operation;  ///< "gemm"
  std::string_view name;       ///< "scale_a"
  const TensorView& view;

  std::int64_t extent(int i) const { return view.shape[static_cast<std::size_t>(i)]; }
  std::int64_t stride(int i) const { return view.stride[static_cast<std::size_t>(i)]; }
  bool empty() const { return view.num_elements() == 0; }
  /// The elements between neighbours, in bytes.
  std::int64_t stride_bytes(int i) const { return stride(i) * size_of(view.dtype); }
};

[[noreturn]] void refuse(const Operand& operand, std::string_view got_and_needed);
[[noreturn]] void refuse(std::string_view operation, std::string_view got_and_needed);

/// `form` describes the shape in words: "[m, k]". Extents must be 0 to 2^31 - 1.
void check_rank(const Operand& operand, int rank, std::string_view form);
void check_dtype(const Operand& operand, std::initializer_list<DType> allowed);
bool has_shape(const Operand& operand, std::initializer_list<std::int64_t> needed);
[[noreturn]] void refuse_shape(const Operand& operand, std::initializer_list<std::int64_t> needed,
                               std::string_view reason);
/// `reason()` tells where the needed shape comes from: "for m = 64 and k = 2048 (one scale per 128
/// of k)". It is asked for a refusal only: every call of the library passes here.
template <typename Reason>
void check_shape(const Operand& operand, std::initializer_list<std::int64_t> needed,
                 Reason&& reason) {
  if (!has_shape(operand, needed)) refuse_shape(operand, needed, reason());
}

void check_device(const Operand& operand, const Operand& first);

/// The backend must be one for the device of the first operand.
void check_backend(const Operand& first, Backend backend);

bool is_aligned(const Operand& operand, std::int64_t bytes);

/// What holds for memory of any layout: a pointer that is not null and is aligned to `base_bytes`,
/// strides above zero, no two elements in one place, nothing beyond the address space. Nothing is
/// asked of a tensor without elements.
void check_memory(const Operand& operand, std::int64_t base_bytes);

/// The last dimension contiguous, the other strides multiples of 16 bytes: a matrix of rows, with
/// leading dimension for groups when the rank is 3. Where an extent of 0 or 1 leaves a stride
/// without meaning, the layout gets a legal one.
plan::MatrixLayout check_rows_layout(const Operand& operand);

/// Either of the last two dimensions contiguous. Strides without meaning are made legal as above.
plan::MatrixLayout check_scale_layout(const Operand& operand);

/// No byte of `written` may be a byte of `other`. Both have passed check_memory.
void check_disjoint(const Operand& written, const Operand& other);

}  // namespace fathom::api
