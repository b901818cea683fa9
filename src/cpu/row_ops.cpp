// The loops of row_ops.hpp: each body once, inlined into one function per instruction set and
// vectorised there by the compiler. No fused multiply-add is enabled, so every set rounds alike.
#include "cpu/row_ops.hpp"

#include <algorithm>
#include <bit>

#include "support/fp8.hpp"
#include "support/half.hpp"

namespace fathom::cpu {
namespace {

using Code = std::uint8_t;

struct Decode {
  [[gnu::always_inline]] static void run(const Code* __restrict code, std::int64_t count,
                                         float scale, float* __restrict out) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = support::e4m3_to_float(code[i]) * scale;
  }
};

struct Load {
  [[gnu::always_inline]] static void run(const void* in, DType dtype, std::int64_t count,
                                         float* __restrict out) {
    const auto* halves = static_cast<const std::uint16_t*>(in);
    const auto* floats = static_cast<const float*>(in);
    switch (dtype) {
      case DType::kBf16:
        for (std::int64_t i = 0; i < count; ++i) out[i] = support::bf16_to_float(halves[i]);
        return;
      case DType::kFp16:
        for (std::int64_t i = 0; i < count; ++i) out[i] = support::fp16_to_float(halves[i]);
        return;
      default:
        for (std::int64_t i = 0; i < count; ++i) out[i] = floats[i];
    }
  }
};

struct StoreBf16 {
  [[gnu::always_inline]] static void run(const float* __restrict in, std::int64_t count,
                                         std::uint16_t* __restrict out) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = support::bf16_from_float(in[i]);
  }
};

/// The bits of |value|, which order as the magnitudes do; 0 for NaN.
[[gnu::always_inline]] inline std::int32_t magnitude_bits(float value) {
  const auto bits = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(value) & 0x7fffffffu);
  return bits > 0x7f800000 ? 0 : bits;
}

struct Amax {
  [[gnu::always_inline]] static float run(const float* __restrict in, std::int64_t count) {
    std::int32_t best = 0;
    for (std::int64_t i = 0; i < count; ++i) best = std::max(best, magnitude_bits(in[i]));
    return std::bit_cast<float>(best);
  }
};

struct MaxMagnitude {
  [[gnu::always_inline]] static void run(const float* __restrict in, std::int64_t count,
                                         float* __restrict amax) {
    for (std::int64_t i = 0; i < count; ++i) {
      amax[i] = std::bit_cast<float>(
          std::max(std::bit_cast<std::int32_t>(amax[i]), magnitude_bits(in[i])));
    }
  }
};

[[gnu::always_inline]] inline Code encode_quotient(float quotient) {
  const bool nan = (std::bit_cast<std::uint32_t>(quotient) & 0x7fffffffu) > 0x7f800000u;
  const Code code = support::e4m3_from_float(quotient);
  return static_cast<Code>(support::select(nan, support::kE4m3Nan, code));
}

struct Encode {
  [[gnu::always_inline]] static void run(const float* __restrict in, std::int64_t count,
                                         float scale, Code* __restrict code) {
    for (std::int64_t i = 0; i < count; ++i) code[i] = encode_quotient(in[i] / scale);
  }
};

struct EncodeScaled {
  [[gnu::always_inline]] static void run(const float* __restrict in, std::int64_t count,
                                         const float* __restrict scale, Code* __restrict code) {
    for (std::int64_t i = 0; i < count; ++i) code[i] = encode_quotient(in[i] / scale[i]);
  }
};

template <typename Body, typename... Args>
auto portable(Args... args) {
  return Body::run(args...);
}

constexpr RowOps kPortable{
    "portable",     portable<Decode>,       portable<Load>,   portable<StoreBf16>,
    portable<Amax>, portable<MaxMagnitude>, portable<Encode>, portable<EncodeScaled>,
};

#if defined(__x86_64__)
template <typename Body, typename... Args>
[[gnu::target("avx2")]] auto avx2(Args... args) {
  return Body::run(args...);
}

constexpr RowOps kAvx2{
    "avx2",     avx2<Decode>,       avx2<Load>,   avx2<StoreBf16>,
    avx2<Amax>, avx2<MaxMagnitude>, avx2<Encode>, avx2<EncodeScaled>,
};
#endif

}  // namespace

const RowOps& portable_row_ops() {
  return kPortable;
}

const RowOps& row_ops() {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return kAvx2;
#endif
  return kPortable;
}

}  // namespace fathom::cpu
