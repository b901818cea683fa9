// The GPU under test and the plain kernels that make its data and judge its results. Test support.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fathom/context.hpp>

#include "cuda/launch.hpp"
#include "cuda/memory.hpp"

namespace fathom::testing {

/// Parameters of the kernels in oracle_source.cpp, field for field.
struct FillCodes {
  void* out;
  const void* table;
  std::int64_t rows, cols, pitch;
  std::uint64_t seed;
  std::uint32_t mask, padding;
};
struct FillFloats {
  void* out;
  const void* table;
  std::int64_t rows, cols, row_stride, col_stride;
  std::uint64_t seed;
  std::uint32_t mask, unused;
};
struct OracleResult {
  std::uint64_t wrong, first_wrong;
  double worst_share, magnitude_error, error_squares, exact_squares;
};
struct CheckGemm {
  const void *a, *b, *scale_a, *scale_b, *d, *start;
  double* product;
  std::int64_t m, n, k, a_pitch, b_pitch, d_pitch;
  std::int64_t scale_a_row, scale_a_k, scale_b_row, scale_b_k, scale_b_rows;
  double relative, magnitude;
  void *result, *wrong_rows, *wrong_cols;
  std::uint32_t d_is_fp32, exact;
};
struct CheckCanaries {
  const void* memory;
  void* damaged;
  const void* owner;
  std::int64_t bytes, first_byte, planes, plane_rows, plane_bytes, row_bytes, pitch_bytes;
  std::uint32_t canary, zero_padding;
};
struct PoisonRows {
  void* data;
  const void* owner;
  std::int64_t planes, rows, cols, plane_stride, row_stride, col_stride;
  std::uint32_t bytes, value;
};
struct CompareBytes {
  const void *one, *other;
  void* different;
  std::int64_t words;
};

/// Loaded once for the process; used by one thread.
class Oracle {
 public:
  static constexpr std::uint32_t kTable = 1 << 16;

  /// The GPU and the oracle of this process. Throws Error when there is none or nothing compiles.
  static Oracle& instance();

  const Context& context() const { return context_; }
  const cuda::Device& device() const { return device_; }

  void run(const FillCodes& params, cuda::abi::Stream stream) {
    spread(fill_codes_, params, stream);
  }
  void run(const FillFloats& params, cuda::abi::Stream stream) {
    spread(fill_floats_, params, stream);
  }
  void run(const CheckCanaries& params, cuda::abi::Stream stream) {
    spread(check_canaries_, params, stream);
  }
  void run(const PoisonRows& params, cuda::abi::Stream stream) {
    spread(poison_rows_, params, stream);
  }
  void run(const CheckGemm& params, cuda::abi::Stream stream);
  /// Whether two device buffers of one size hold the same bytes (the last size % 16 bytes are not
  /// read).
  bool same_bytes(const cuda::Buffer& one, const cuda::Buffer& other);

  /// kTable codes and as many scales for each kind of data, drawn like reference::ProblemData's.
  const void* code_table(bool exact) const { return tables_[exact ? 1 : 0].data(); }
  const void* scale_table(bool exact) const { return tables_[exact ? 3 : 2].data(); }
  const void* integer_table() const {
    return tables_[4].data();
  }  ///< floats -4..4, start values of D

 private:
  Oracle();
  template <typename Params>
  void spread(const cuda::Function& function, Params params, cuda::abi::Stream stream) {
    void* list[] = {&params};
    const auto sms = static_cast<unsigned>(device_.info().num_sms);
    cuda::launch(function, {.grid = {sms * 8}, .block = {256}}, stream, list);
  }

  Context context_;
  const cuda::Device& device_;
  cuda::Function fill_codes_, fill_floats_, check_gemm_, check_canaries_, poison_rows_,
      compare_bytes_;
  cuda::Buffer tables_[5];
  cuda::Buffer different_;
};

}  // namespace fathom::testing
