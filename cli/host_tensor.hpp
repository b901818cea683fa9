// Matrices that the command line allocates: aligned, with the padded pitch that the operations ask
// for. Command-line layer.
#pragma once

#include <cstdint>
#include <fathom/tensor.hpp>
#include <memory>
#include <vector>

#include "safetensors.hpp"

namespace fathom::cli {

/// Throws Error(kUnsupported) where `bytes` bytes for `what` are more than this machine has: asked
/// for all the same, they would be granted and the process killed while filling them.
void require_memory(std::int64_t bytes, const std::string& what);

/// [rows, cols], rows padded to a multiple of 16 bytes, base aligned to 64. Not initialised.
class HostTensor {
 public:
  HostTensor() = default;
  HostTensor(DType dtype, std::int64_t rows, std::int64_t cols);

  TensorView view() const;
  char* row(std::int64_t i) const { return data_.get() + i * pitch_bytes(); }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t row_bytes() const { return cols_ * size_of(dtype_); }
  std::int64_t pitch_bytes() const { return pitch_ * size_of(dtype_); }

 private:
  struct Free {
    void operator()(char* data) const;
  };
  std::unique_ptr<char, Free> data_;
  DType dtype_ = DType::kFp32;
  std::int64_t rows_ = 0, cols_ = 0, pitch_ = 0;
};

/// Reads a whole tensor of a file into a padded matrix of the same dtype and shape.
HostTensor read_matrix(const SafetensorsReader& file, const SafetensorsEntry& entry);
/// Writes a padded matrix as a whole tensor of a file, without its padding.
void write_matrix(SafetensorsWriter& file, const SafetensorsEntry& entry, const HostTensor& matrix);

/// The library's dtype of "F8_E4M3", "BF16", "F16", "F32", "F64", "I32" or "I64". Throws
/// Error(kInvalidArgument) for others.
DType dtype_of(const SafetensorsEntry& entry);
/// The format's name of a dtype.
std::string safetensors_dtype(DType dtype);

}  // namespace fathom::cli
