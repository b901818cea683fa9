// Allocation of padded matrices and their way from and to files. Command-line layer.
#include "host_tensor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fathom/error.hpp>
#include <new>

namespace fathom::cli {
namespace {

constexpr std::int64_t kPitchBytes = 16;  // what the operations ask of a pitch
constexpr std::int64_t kBaseBytes = 64;   // a cache line
constexpr std::int64_t kChunkBytes = std::int64_t{8} << 20;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr DTypeName kNames[] = {
    {DType::kE4M3, "F8_E4M3"}, {DType::kBf16, "BF16"}, {DType::kFp16, "F16"},
    {DType::kFp32, "F32"},     {DType::kFp64, "F64"},  {DType::kInt32, "I32"},
    {DType::kInt64, "I64"},
};

/// Calls `transfer(first row, rows)` for pieces of about kChunkBytes.
template <typename Transfer>
void for_row_chunks(const HostTensor& matrix, const Transfer& transfer) {
  const std::int64_t step =
      std::max<std::int64_t>(1, kChunkBytes / std::max<std::int64_t>(1, matrix.row_bytes()));
  for (std::int64_t first = 0; first < matrix.rows(); first += step) {
    transfer(first, std::min(step, matrix.rows() - first));
  }
}

}  // namespace

void require_memory(std::int64_t bytes, const std::string& what) {
  const std::int64_t machine = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) *
                               static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
  if (bytes > machine) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format(
            "{} needs {:.1f} GB of memory; this machine has {:.1f} GB; make the problem smaller",
            what, static_cast<double>(bytes) / 1e9, static_cast<double>(machine) / 1e9));
  }
}

HostTensor::HostTensor(DType dtype, std::int64_t rows, std::int64_t cols)
    : dtype_(dtype), rows_(rows), cols_(cols) {
  pitch_ = round_up(std::max<std::int64_t>(1, cols),
                    kPitchBytes / std::min(kPitchBytes, size_of(dtype)));
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(pitch_bytes(), std::max<std::int64_t>(1, rows), &bytes) ||
      bytes > INT64_MAX - kBaseBytes) {
    throw std::bad_alloc();
  }
  bytes = round_up(bytes, kBaseBytes);
  require_memory(bytes, fmt::format("a matrix of [{}, {}] {}", rows, cols, to_string(dtype)));
  data_.reset(static_cast<char*>(
      std::aligned_alloc(static_cast<std::size_t>(kBaseBytes), static_cast<std::size_t>(bytes))));
  if (data_ == nullptr) throw std::bad_alloc();
}

void HostTensor::Free::operator()(char* data) const {
  std::free(data);
}

TensorView HostTensor::view() const {
  return TensorView::matrix(data_.get(), dtype_, rows_, cols_, pitch_);
}

HostTensor read_matrix(const SafetensorsReader& file, const SafetensorsEntry& entry) {
  HostTensor matrix(dtype_of(entry), entry.shape.at(0), entry.shape.at(1));
  const std::int64_t row_bytes = matrix.row_bytes();
  std::vector<char> packed;
  for_row_chunks(matrix, [&](std::int64_t first, std::int64_t rows) {
    if (row_bytes == matrix.pitch_bytes()) {
      file.read(entry, first * row_bytes, matrix.row(first), rows * row_bytes);
      return;
    }
    packed.resize(static_cast<std::size_t>(rows * row_bytes));
    file.read(entry, first * row_bytes, packed.data(), rows * row_bytes);
    for (std::int64_t i = 0; i < rows; ++i) {
      std::memcpy(matrix.row(first + i), packed.data() + i * row_bytes,
                  static_cast<std::size_t>(row_bytes));
    }
  });
  return matrix;
}

void write_matrix(SafetensorsWriter& file, const SafetensorsEntry& entry,
                  const HostTensor& matrix) {
  const std::int64_t row_bytes = matrix.row_bytes();
  std::vector<char> packed;
  for_row_chunks(matrix, [&](std::int64_t first, std::int64_t rows) {
    if (row_bytes == matrix.pitch_bytes()) {
      file.write(entry, first * row_bytes, matrix.row(first), rows * row_bytes);
      return;
    }
    packed.resize(static_cast<std::size_t>(rows * row_bytes));
    for (std::int64_t i = 0; i < rows; ++i) {
      std::memcpy(packed.data() + i * row_bytes, matrix.row(first + i),
                  static_cast<std::size_t>(row_bytes));
    }
    file.write(entry, first * row_bytes, packed.data(), rows * row_bytes);
  });
}

DType dtype_of(const SafetensorsEntry& entry) {
  for (const DTypeName& row : kNames) {
    if (row.name == entry.dtype) return row.dtype;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("tensor \"{}\" is {}; F8_E4M3, BF16, F16 or F32 is needed", entry.name,
                          entry.dtype));
}

std::string safetensors_dtype(DType dtype) {
  for (const DTypeName& row : kNames) {
    if (row.dtype == dtype) return std::string(row.name);
  }
  throw Error(ErrorCode::kInternal, "safetensors: a dtype without a name in the format");
}

}  // namespace fathom::cli
