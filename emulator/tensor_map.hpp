// What stands in the 128 opaque bytes of a tensor map when it is meant for the emulator: the
// arguments of cuTensorMapEncodeTiled as they came. Emulator layer; includes only the standard
// library. emulator/driver writes the same bytes.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fathom::emulator {

/// Values of the driver's enumerations (CUDA Driver API, cuTensorMapEncodeTiled).
enum class MapType : std::uint8_t {
  kUint8 = 0,
  kUint16 = 1,
  kUint32 = 2,
  kInt32 = 3,
  kUint64 = 4,
  kInt64 = 5,
  kFloat16 = 6,
  kFloat32 = 7,
  kFloat64 = 8,
  kBfloat16 = 9,
};
enum class MapSwizzle : std::uint8_t { kNone = 0, k32 = 1, k64 = 2, k128 = 3 };

struct EncodedTensorMap {
  std::uint64_t base = 0;
  std::uint64_t dims[5] = {};     ///< elements; [0] contiguous
  std::uint64_t strides[4] = {};  ///< bytes, of dimensions 1 to 4
  std::uint16_t box[5] = {};
  std::uint8_t element_strides[5] = {};
  std::uint8_t rank = 0;
  MapType type = MapType::kUint8;
  std::uint8_t interleave = 0;
  MapSwizzle swizzle = MapSwizzle::kNone;
  std::uint8_t promotion = 0;
  std::uint8_t fill = 0;
  std::uint8_t reserved[27] = {};
};
static_assert(sizeof(EncodedTensorMap) == 128 && std::is_trivially_copyable_v<EncodedTensorMap>);

/// 0 for a value that is no type.
constexpr int element_bytes(MapType type) {
  switch (type) {
    case MapType::kUint8:
      return 1;
    case MapType::kUint16:
    case MapType::kFloat16:
    case MapType::kBfloat16:
      return 2;
    case MapType::kUint32:
    case MapType::kInt32:
    case MapType::kFloat32:
      return 4;
    case MapType::kUint64:
    case MapType::kInt64:
    case MapType::kFloat64:
      return 8;
  }
  return 0;
}

/// Bytes of a row's swizzle span; 16 = chunks stay where they are.
constexpr int swizzle_span(MapSwizzle swizzle) {
  return 16 << static_cast<int>(swizzle);
}

}  // namespace fathom::emulator
