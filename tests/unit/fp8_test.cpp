// The codecs of src/support against definitions written from the formats' tables, not from the
// code.
#include "support/fp8.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/half.hpp"

namespace fathom::support {
namespace {

/// The value of a code from the format's definition: (-1)^s 2^(e-7) (1 + m/8), e = 0: (-1)^s 2^-6
/// m/8.
double defined_value(int code) {
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  if ((code & 0x7f) == 0x7f) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

TEST(E4m3, EveryCodeDecodesToItsDefinition) {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_float(static_cast<std::uint8_t>(code));
    const double expected = defined_value(code);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(value, expected) << code;
    }
    EXPECT_EQ(std::signbit(value), code >= 128) << code;
  }
}

TEST(E4m3, EveryCodeSurvivesDecodingAndEncoding) {
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(e4m3_from_float(e4m3_to_float(static_cast<std::uint8_t>(code))), code);
  }
}

TEST(E4m3, MidpointsGoToTheEvenCodeAndTheirNeighboursToTheNearest) {
  for (int code = 0; code < 0x7e; ++code) {
    const float middle = static_cast<float>((defined_value(code) + defined_value(code + 1)) / 2);
    const int even = code % 2 == 0 ? code : code + 1;
    for (const int sign : {0, 0x80}) {
      const float s = sign == 0 ? 1.0f : -1.0f;
      EXPECT_EQ(e4m3_from_float(s * middle), even | sign) << code;
      EXPECT_EQ(e4m3_from_float(s * std::nextafter(middle, 0.0f)), code | sign) << code;
      EXPECT_EQ(e4m3_from_float(s * std::nextafter(middle, 1e30f)), (code + 1) | sign) << code;
    }
  }
}

TEST(E4m3, EveryBf16ValueGoesToTheNearestCode) {
  for (std::uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const float value = bf16_to_float(static_cast<std::uint16_t>(bits));
    int nearest = 0x7e;
    for (int code = 0; code < 0x7f; ++code) {
      const double distance = std::abs(defined_value(code) - value);
      const double best = std::abs(defined_value(nearest) - value);
      if (distance < best || (distance == best && code % 2 == 0)) nearest = code;
    }
    ASSERT_EQ(e4m3_from_float(value), nearest) << value;
    ASSERT_EQ(e4m3_from_float(-value), nearest | 0x80) << value;
  }
}

TEST(E4m3, SaturatesAndKeepsNan) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(e4m3_from_float(448.0f), 0x7e);
  EXPECT_EQ(e4m3_from_float(480.0f), 0x7e);
  EXPECT_EQ(e4m3_from_float(infinity), 0x7e);
  EXPECT_EQ(e4m3_from_float(-infinity), 0xfe);
  EXPECT_EQ(e4m3_from_float(std::numeric_limits<float>::quiet_NaN()), 0x7f);
  EXPECT_EQ(e4m3_from_float(-std::numeric_limits<float>::quiet_NaN()), 0xff);
  EXPECT_EQ(e4m3_from_float(std::bit_cast<float>(0x7f800001u)), 0x7f);
  EXPECT_EQ(e4m3_from_float(0.0f), 0x00);
  EXPECT_EQ(e4m3_from_float(-0.0f), 0x80);
  EXPECT_EQ(e4m3_from_float(std::numeric_limits<float>::denorm_min()), 0x00);
}

TEST(Bf16, EveryValueSurvivesAndMidpointsGoToEven) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto code = static_cast<std::uint16_t>(bits);
    const float value = bf16_to_float(code);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(bf16_from_float(value)))) << bits;
      continue;
    }
    ASSERT_EQ(bf16_from_float(value), code) << bits;
    if (std::isinf(value)) continue;
    const std::uint32_t middle = (bits << 16) | 0x8000u;
    const auto even = static_cast<std::uint16_t>(bits + (bits & 1u));
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle)), even) << bits;
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle - 1)), code) << bits;
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle + 1)), bits + 1) << bits;
  }
}

TEST(Bf16, FromDoubleRoundsOnce) {
  // Just above and just below a midpoint, by less than FP32 can hold: rounding over FP32 would land
  // on the tie.
  const double middle = 1.0 + 0x1p-8;
  EXPECT_EQ(bf16_from_double(middle), 0x3f80);
  EXPECT_EQ(bf16_from_double(middle + 0x1p-40), 0x3f81);
  EXPECT_EQ(bf16_from_double(-middle - 0x1p-40), 0xbf81);
  const double odd_middle = 1.0 + 3 * 0x1p-8;
  EXPECT_EQ(bf16_from_double(odd_middle), 0x3f82);
  EXPECT_EQ(bf16_from_double(odd_middle - 0x1p-40), 0x3f81);
  EXPECT_EQ(bf16_from_double(1e300), 0x7f80);
  EXPECT_EQ(bf16_from_double(-0.0), 0x8000);
  EXPECT_TRUE(
      std::isnan(bf16_to_float(bf16_from_double(std::numeric_limits<double>::quiet_NaN()))));
}

TEST(Fp16, EveryValueSurvivesAndMidpointsGoToEven) {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10);
    const int mantissa = static_cast<int>(bits & 0x3ff);
    const double defined =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    const float value = fp16_to_float(static_cast<std::uint16_t>(bits));
    ASSERT_EQ(value, defined) << bits;
    ASSERT_EQ(fp16_to_float(static_cast<std::uint16_t>(bits | 0x8000)), -defined) << bits;
    ASSERT_EQ(fp16_from_float(value), bits);
    const double spacing = exponent == 0 ? 0x1p-24 : std::ldexp(1.0, exponent - 25);
    const auto middle = static_cast<float>(defined + spacing / 2);
    ASSERT_EQ(fp16_from_float(middle), bits + (bits & 1u)) << bits;
    ASSERT_EQ(fp16_from_float(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(fp16_from_float(-std::nextafter(middle, 1e30f)), (bits + 1) | 0x8000) << bits;
  }
  EXPECT_TRUE(std::isinf(fp16_to_float(0x7c00)));
  EXPECT_TRUE(std::isnan(fp16_to_float(0x7c01)));
  EXPECT_TRUE(std::isnan(fp16_to_float(fp16_from_float(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(fp16_from_float(1e9f), 0x7c00);
}

}  // namespace
}  // namespace fathom::support
