// Numbers for operands in GPU memory, with the power draw of a real model's. Benchmark layer.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cuda/memory.hpp"

namespace fathom::bench {

inline constexpr std::size_t kSamples = 1 << 16;
using Codes = std::array<std::uint8_t, kSamples>;

/// The largest of 128 normal values is near 2.8, which the quantiser maps to 448.
inline constexpr double kQuantisedFactor = 448.0 / 2.8;

/// e4m3 codes of normal values times `factor`.
Codes normal_codes(double factor, std::uint64_t seed);
/// `count` codes drawn from the table, on several threads; the same for the same seed.
std::vector<std::uint8_t> draw(const Codes& codes, std::int64_t count, std::uint64_t seed);

cuda::Buffer upload(const cuda::Device& device, const void* data, std::size_t bytes);
/// fp32 from 0.5 to 1.5.
cuda::Buffer random_scales(const cuda::Device& device, std::int64_t count, std::uint64_t seed);

}  // namespace fathom::bench
