// Legal operands of a GEMM at invented addresses, for tests of what only looks at shapes and
// pointers.
#pragma once

#include <cstdint>

#include <fathom/gemm.hpp>

namespace fathom::test {

struct FakeGemm {
  Groups::Form form = Groups::Form::kNone;
  std::int64_t m = 64;  ///< kMasked: max_m
  std::int64_t n = 384;
  std::int64_t k = 256;
  std::int64_t num_groups = 3;
  DType out = DType::kBf16;
  bool scale_a_m_contiguous = true;
  bool scale_b_1x128 = false;
  DType index_dtype = DType::kInt32;
  std::int64_t extra_pitch_bytes = 0;  ///< a multiple of 16
  Device device = {};

  /// Nothing may be read or written through the pointers.
  GemmOperands operands() const;
};

}  // namespace fathom::test
