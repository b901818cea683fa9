// Addresses and strides that are lawful, and nothing else. Command-line layer.
#include "problem_views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fathom/error.hpp>

namespace fathom::cli {
namespace {

/// Planning reads shapes, strides and the alignment of addresses, never data. The addresses are
/// disjoint, a multiple of 2^56 each, so that no check of overlap is met.
class ViewMaker {
 public:
  TensorView matrix(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t planes) {
    const std::int64_t multiple = std::max<std::int64_t>(1, 16 / size_of(dtype));
    const std::int64_t pitch =
        (std::max<std::int64_t>(1, cols) + multiple - 1) / multiple * multiple;
    if (planes == 0) return TensorView::matrix(next(), dtype, rows, cols, pitch);
    return TensorView::batch(next(), dtype, planes, rows, cols, pitch);
  }
  TensorView vector(std::int64_t size) { return TensorView::vector(next(), DType::kInt32, size); }

 private:
  void* next() { return reinterpret_cast<void*>(++count_ << 56); }
  std::uintptr_t count_ = 0;
};

std::int64_t index_size(Groups::Form form, const ProblemSize& size) {
  switch (form) {
    case Groups::Form::kOffsets:
      return size.num_groups + 1;
    case Groups::Form::kRowGroup:
      return size.m;
    default:
      return size.num_groups;
  }
}

}  // namespace

GemmOperands problem_views(const ProblemFlags& flags, const ProblemSize& size) {
  const Groups::Form form = flags.form();
  if (form == Groups::Form::kNone && size.num_groups != 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--num-groups is {} and --layout is dense, which has no groups; leave "
                            "--num-groups out, or give another --layout",
                            size.num_groups));
  }
  const std::int64_t b_planes = form == Groups::Form::kNone ? 0 : size.num_groups;
  const std::int64_t a_planes = form == Groups::Form::kMasked ? size.num_groups : 0;
  const std::int64_t k_blocks = (size.k + 127) / 128;
  const bool per_row = flags.scale_b_block() == plan::ScaleBBlock::k1x128;
  ViewMaker make;
  GemmOperands operands;
  operands.a = make.matrix(DType::kE4M3, size.m, size.k, a_planes);
  operands.b = make.matrix(DType::kE4M3, size.n, size.k, b_planes);
  operands.d = make.matrix(flags.out(), size.m, size.n, a_planes);
  // Rows contiguous: what the quantisers write and the kernels read fastest.
  operands.scale_a = make.matrix(DType::kFp32, k_blocks, size.m, a_planes).transposed();
  operands.scale_b =
      make.matrix(DType::kFp32, per_row ? size.n : (size.n + 127) / 128, k_blocks, b_planes);
  if (form == Groups::Form::kNone) return operands;
  operands.groups.form = form;
  operands.groups.index = make.vector(index_size(form, size));
  operands.groups.alignment = flags.alignment;
  operands.groups.expected_m = size.expected_m;
  return operands;
}

}  // namespace fathom::cli
