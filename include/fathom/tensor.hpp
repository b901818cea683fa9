// Views of tensors that somebody else owns. Public layer; plain C++20.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <fathom/export.h>
#include <fathom/dtype.hpp>

namespace fathom {

/// The values are part of the C ABI (c_api.h): never renumber.
enum class DeviceType : std::int32_t { kCpu = 1, kCuda = 2 };

/// Where memory lies. `index` counts CUDA devices; 0 for the CPU.
struct Device {
  DeviceType type = DeviceType::kCpu;
  std::int32_t index = 0;
  bool operator==(const Device&) const = default;
};

/// A strided view: pointer, type, shape, strides, device. Owns nothing; copying it copies no data.
/// Strides count elements, not bytes. The operations say which of their views they write; all
/// others are only read.
struct FATHOM_API TensorView {
  static constexpr int kMaxRank = 4;

  void* data = nullptr;  ///< may be null when the tensor has no elements
  DType dtype = DType::kFp32;
  Device device = {};
  std::int32_t rank = 0;                       ///< 0 = no tensor
  std::array<std::int64_t, kMaxRank> shape{};  ///< extents, outermost first; the first `rank` count
  std::array<std::int64_t, kMaxRank>
      stride{};  ///< elements between neighbours along each dimension

  /// The elements, counted by the shape: 0 when an extent is 0 or there is no tensor; at most 2^63
  /// - 1.
  std::int64_t num_elements() const;

  explicit operator bool() const { return rank != 0; }

  /// [size], contiguous.
  static TensorView vector(const void* data, DType dtype, std::int64_t size, Device device = {});
  /// [rows, cols], rows of `pitch` elements (0 = cols).
  static TensorView matrix(const void* data, DType dtype, std::int64_t rows, std::int64_t cols,
                           std::int64_t pitch = 0, Device device = {});
  /// [batch, rows, cols], rows of `pitch` elements (0 = cols), batches of `batch_stride` (0 = rows
  /// * pitch).
  static TensorView batch(const void* data, DType dtype, std::int64_t batch, std::int64_t rows,
                          std::int64_t cols, std::int64_t pitch = 0, std::int64_t batch_stride = 0,
                          Device device = {});
  /// The same elements with the last two dimensions exchanged.
  TensorView transposed() const;
};

/// "cpu", "cuda:1": the spelling used in messages.
FATHOM_API std::string to_string(Device device);

/// "[4, 7168]"; "[]" for a view without a tensor.
FATHOM_API std::string shape_text(const TensorView& view);

}  // namespace fathom
