// The compile-time choices of one cast kernel. Contract layer: read by the planner (host) and by
// the kernel; includes only base/.
#pragma once

#include "base/math.hpp"
#include "base/types.hpp"

namespace fathom::device::quantize {

/// What a kernel does. q has shape [rows, cols]; x the same, or [cols, rows] for the transposed
/// cast.
enum class Operation {
  kCast1x128,            ///< x -> q, a scale for each row and 128 columns
  kCast128x128,          ///< x -> q, a scale for each 128 x 128 block
  kCast1x128Transposed,  ///< x^T -> q, a scale for each row of q and 128 of its columns
  kDequantize,           ///< q * scale -> x, any of the three forms
  kCopyScales,           ///< scales in one order -> scales in another
};

/// Type of x.
enum class Element { kBf16, kFp16, kFp32 };

inline constexpr int kBlock = 128;  // one scale per 128 (operations.md section 2)
inline constexpr int kThreads = 256;
inline constexpr int kVector = 8;  // elements that a thread takes at once: 16 bytes of bf16 or fp16

struct Config {
  Operation operation = Operation::kCast1x128;
  Element element = Element::kBf16;

  constexpr bool operator==(const Config&) const = default;

  FATHOM_HD constexpr int num_threads() const { return kThreads; }
  FATHOM_HD constexpr int element_bytes() const { return element == Element::kFp32 ? 4 : 2; }

  // The part of q (kCopyScales: of the scales) that one CTA makes. The transposed cast holds 64
  // rows of q as bytes in shared memory; the others keep everything in registers.
  FATHOM_HD constexpr int tile_rows() const {
    switch (operation) {
      case Operation::kCast1x128:
      case Operation::kCast1x128Transposed:
      case Operation::kDequantize:
        return 64;
      case Operation::kCast128x128:
        return kBlock;
      case Operation::kCopyScales:
        return 32;
    }
    return 0;
  }
  FATHOM_HD constexpr int tile_cols() const {
    return operation == Operation::kCopyScales ? 32 : kBlock;
  }

  // Shared memory: partial maxima of the warps; bytes of q in transit with rows of 33 words, so
  // that neighbouring rows start in different banks; scales in transit likewise.
  FATHOM_HD constexpr int smem_bytes() const {
    switch (operation) {
      case Operation::kCast128x128:
        return kThreads / 32 * 4;
      case Operation::kCast1x128Transposed:
        return kThreads / 32 * 64 * 4 + 64 * 33 * 4;
      case Operation::kCopyScales:
        return 32 * 33 * 4;
      case Operation::kCast1x128:
      case Operation::kDequantize:
        return 0;
    }
    return 0;
  }
};

/// Why no kernel can be made of this config; nullptr when it is legal.
FATHOM_HD constexpr const char* why_illegal(const Config& c) {
  if (c.operation == Operation::kCopyScales && c.element != Element::kFp32)
    return "scales are fp32";
  if (c.operation == Operation::kDequantize && c.element == Element::kFp16)
    return "dequantize writes bf16 or fp32";
  return nullptr;
}

/// Kernels are called fp8_quantize_<tag>: "bf16_1x128", "fp32_128x128", "fp16_1x128t",
/// "bf16_from_e4m3", "scales".
FATHOM_HD constexpr const char* tag_of(const Config& c) {
  const int type = c.element == Element::kBf16 ? 0 : c.element == Element::kFp16 ? 1 : 2;
  constexpr const char* kTags[4][3] = {{"bf16_1x128", "fp16_1x128", "fp32_1x128"},
                                       {"bf16_128x128", "fp16_128x128", "fp32_128x128"},
                                       {"bf16_1x128t", "fp16_1x128t", "fp32_1x128t"},
                                       {"bf16_from_e4m3", "fp16_from_e4m3", "fp32_from_e4m3"}};
  switch (c.operation) {
    case Operation::kCast1x128:
      return kTags[0][type];
    case Operation::kCast128x128:
      return kTags[1][type];
    case Operation::kCast1x128Transposed:
      return kTags[2][type];
    case Operation::kDequantize:
      return kTags[3][type];
    case Operation::kCopyScales:
      return "scales";
  }
  return "";
}

FATHOM_HD constexpr const char* name_of(Operation o) {
  switch (o) {
    case Operation::kCast1x128:
      return "fathom::device::quantize::Operation::kCast1x128";
    case Operation::kCast128x128:
      return "fathom::device::quantize::Operation::kCast128x128";
    case Operation::kCast1x128Transposed:
      return "fathom::device::quantize::Operation::kCast1x128Transposed";
    case Operation::kDequantize:
      return "fathom::device::quantize::Operation::kDequantize";
    case Operation::kCopyScales:
      return "fathom::device::quantize::Operation::kCopyScales";
  }
  return "";
}
FATHOM_HD constexpr const char* name_of(Element e) {
  return e == Element::kBf16   ? "fathom::device::quantize::Element::kBf16"
         : e == Element::kFp16 ? "fathom::device::quantize::Element::kFp16"
                               : "fathom::device::quantize::Element::kFp32";
}

}  // namespace fathom::device::quantize
