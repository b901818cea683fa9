// Legal operands of a GEMM at invented addresses.
#include "support/fake_operands.hpp"

namespace fathom::test {
namespace {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Hands out addresses that do not overlap.
class AddressSpace {
 public:
  const void* take(std::int64_t bytes) {
    const std::uintptr_t address = next_;
    next_ += static_cast<std::uintptr_t>(round_up(bytes, 256) + 256);
    return reinterpret_cast<const void*>(address);
  }

 private:
  std::uintptr_t next_ = 0x7f0000000000;
};

}  // namespace

GemmOperands FakeGemm::operands() const {
  AddressSpace space;
  const bool grouped = form != Groups::Form::kNone;
  const bool masked = form == Groups::Form::kMasked;
  const std::int64_t k_blocks = (k + 127) / 128;

  const auto rows_of = [&](DType dtype, std::int64_t groups, std::int64_t rows, std::int64_t cols) {
    const std::int64_t pitch =
        (round_up(cols * size_of(dtype), 16) + extra_pitch_bytes) / size_of(dtype);
    const void* data = space.take((groups == 0 ? 1 : groups) * rows * pitch * size_of(dtype));
    return groups == 0 ? TensorView::matrix(data, dtype, rows, cols, pitch, device)
                       : TensorView::batch(data, dtype, groups, rows, cols, pitch, 0, device);
  };
  const auto scale_of = [&](std::int64_t groups, std::int64_t rows, std::int64_t cols,
                            bool rows_contiguous) {
    if (!rows_contiguous) return rows_of(DType::kFp32, groups, rows, cols);
    return rows_of(DType::kFp32, groups, cols, rows).transposed();
  };

  GemmOperands operands;
  operands.a = rows_of(DType::kE4M3, masked ? num_groups : 0, m, k);
  operands.scale_a = scale_of(masked ? num_groups : 0, m, k_blocks, scale_a_m_contiguous);
  operands.b = rows_of(DType::kE4M3, grouped ? num_groups : 0, n, k);
  operands.scale_b =
      scale_of(grouped ? num_groups : 0, scale_b_1x128 ? n : (n + 127) / 128, k_blocks, false);
  operands.d = rows_of(out, masked ? num_groups : 0, m, n);

  const auto index_of = [&](std::int64_t size) {
    return TensorView::vector(space.take(size * 8), index_dtype, size, device);
  };
  switch (form) {
    case Groups::Form::kNone:
      break;
    case Groups::Form::kOffsets:
      operands.groups = Groups::offsets(index_of(num_groups + 1));
      break;
    case Groups::Form::kRowGroup:
      operands.groups = Groups::row_group(index_of(m));
      break;
    case Groups::Form::kGroupEnd:
      operands.groups = Groups::group_end(index_of(num_groups));
      break;
    case Groups::Form::kMasked:
      operands.groups = Groups::masked(index_of(num_groups));
      break;
  }
  return operands;
}

}  // namespace fathom::test
