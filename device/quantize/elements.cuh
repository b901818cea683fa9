// Eight elements of x and of q at a time: load, largest magnitude, scale, codes, store. The
// arithmetic of the contract stands here once. Device layer of the quantize family.
#pragma once

#include "ptx/cast.cuh"
#include "ptx/global.cuh"
#include "quantize/config.hpp"
#include "quantize/params.hpp"

namespace fathom::device::quantize {

inline constexpr float kMaxE4m3 = 448.0f;
inline constexpr float kLeastAmax = 1e-4f;  // zero blocks divide by kLeastAmax / 448

/// Floats in shared memory, as words.
FATHOM_DEVICE void store_float(SmemAddr to, float value) {
  ptx::store_shared_u32(to, ptx::bits_of_float(value));
}
FATHOM_DEVICE float load_float(SmemAddr from) {
  return ptx::float_of_bits(ptx::load_shared_u32(from));
}
FATHOM_DEVICE float load_scale(const float* from) {
  return ptx::float_of_bits(ptx::load_global_u32(from));
}

/// Element i of x as fp32, exactly.
template <Element kElement>
FATHOM_DEVICE float load_element(const void* x, int64_t i) {
  if constexpr (kElement == Element::kFp32)
    return ptx::float_of_bits(ptx::load_global_u32(static_cast<const uint32_t*>(x) + i));
  const uint32_t bits = ptx::load_global_u16(static_cast<const uint16_t*>(x) + i);
  if constexpr (kElement == Element::kBf16) return ptx::float_of_bits(bits << 16);
  return ptx::float_of_fp16(bits);
}

template <Element kElement>
FATHOM_DEVICE void unpack(uint32_t word, float& low, float& high) {
  if constexpr (kElement == Element::kBf16) {
    low = ptx::float_of_bits(word << 16);
    high = ptx::float_of_bits(word & 0xffff0000u);
  } else {
    low = ptx::float_of_fp16(word & 0xffffu);
    high = ptx::float_of_fp16(word >> 16);
  }
}

/// Eight elements that start at element i, of which the first `count` exist; the others are zero.
template <Element kElement>
FATHOM_DEVICE void load_vector(const void* x, int64_t i, int count, bool vectors,
                               float (&v)[kVector]) {
  if (vectors && count >= kVector) {
    if constexpr (kElement == Element::kFp32) {
      const float* from = static_cast<const float*>(x) + i;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const ptx::Word4 w = ptx::load_global_v4(from + 4 * half);
        v[4 * half] = ptx::float_of_bits(w.x);
        v[4 * half + 1] = ptx::float_of_bits(w.y);
        v[4 * half + 2] = ptx::float_of_bits(w.z);
        v[4 * half + 3] = ptx::float_of_bits(w.w);
      }
    } else {
      const ptx::Word4 w = ptx::load_global_v4(static_cast<const uint16_t*>(x) + i);
      unpack<kElement>(w.x, v[0], v[1]);
      unpack<kElement>(w.y, v[2], v[3]);
      unpack<kElement>(w.z, v[4], v[5]);
      unpack<kElement>(w.w, v[6], v[7]);
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < kVector; ++j) v[j] = j < count ? load_element<kElement>(x, i + j) : 0.0f;
}

/// The largest magnitude of `so_far` and the vector. NaN elements do not count.
FATHOM_DEVICE float largest_magnitude(float so_far, const float (&v)[kVector]) {
#pragma unroll
  for (int j = 0; j < kVector; ++j) so_far = ptx::max_number(so_far, ptx::absolute(v[j]));
  return so_far;
}

/// max(amax, 1e-4) / 448, rounded up to a power of two where asked: adding the whole mantissa
/// carries into the exponent unless the mantissa is 0. Infinity stays infinity.
FATHOM_DEVICE float scale_of(float amax, bool power_of_two) {
  const float scale = ptx::divide(ptx::max_number(amax, kLeastAmax), kMaxE4m3);
  if (!power_of_two) return scale;
  return ptx::float_of_bits((ptx::bits_of_float(scale) + 0x7fffffu) & 0xff800000u);
}

/// Two codes. NaN gives 0x7f whatever its sign, as on the host.
FATHOM_DEVICE uint32_t codes_of(float low, float high, float scale) {
  const float a = ptx::divide(low, scale);
  const float b = ptx::divide(high, scale);
  const uint32_t codes = ptx::pack_e4m3(a, b);
  const uint32_t first = a == a ? codes & 0xffu : 0x7fu;
  const uint32_t second = b == b ? codes & 0xff00u : 0x7f00u;
  return first | second;
}

FATHOM_DEVICE ptx::Word2 codes_of(const float (&v)[kVector], float scale) {
  return {codes_of(v[0], v[1], scale) | codes_of(v[2], v[3], scale) << 16,
          codes_of(v[4], v[5], scale) | codes_of(v[6], v[7], scale) << 16};
}

/// The first `count` of eight codes to q + i.
FATHOM_DEVICE void store_codes(void* q, int64_t i, int count, bool vectors, ptx::Word2 codes) {
  uint8_t* to = static_cast<uint8_t*>(q) + i;
  if (vectors && count >= kVector) {
    ptx::store_global_v2(to, codes);
    return;
  }
#pragma unroll
  for (int j = 0; j < kVector; ++j)
    if (j < count) ptx::store_global_u8(to + j, (j < 4 ? codes.x : codes.y) >> (j % 4 * 8) & 0xffu);
}

/// How many of `kVector` elements from `at` on lie before `end`.
FATHOM_DEVICE int count_before(int64_t at, int64_t end) {
  const int64_t left = end - at;
  return left >= kVector ? kVector : left > 0 ? static_cast<int>(left) : 0;
}

/// The first row and column of this CTA's tile of q.
struct TileOrigin {
  int64_t row, col;
};
template <Config kConfig>
FATHOM_DEVICE TileOrigin tile_origin(int cta, int64_t cols) {
  constexpr int kTileRows = kConfig.tile_rows();
  constexpr int kTileCols = kConfig.tile_cols();
  const int tiles_across = static_cast<int>(ceil_div<int64_t>(cols, kTileCols));
  return {static_cast<int64_t>(cta / tiles_across) * kTileRows,
          static_cast<int64_t>(cta % tiles_across) * kTileCols};
}

}  // namespace fathom::device::quantize
