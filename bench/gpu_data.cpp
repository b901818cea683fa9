// See gpu_data.hpp.
#include "gpu_data.hpp"

#include <algorithm>
#include <thread>

#include "support/fp8.hpp"
#include "support/random.hpp"

namespace fathom::bench {

Codes normal_codes(double factor, std::uint64_t seed) {
  support::Random random(seed);
  Codes codes;
  for (std::uint8_t& code : codes)
    code = support::e4m3_from_float(static_cast<float>(random.normal() * factor));
  return codes;
}

std::vector<std::uint8_t> draw(const Codes& codes, std::int64_t count, std::uint64_t seed) {
  std::vector<std::uint8_t> drawn(static_cast<std::size_t>(count));
  constexpr std::size_t kChunk = 1 << 20;
  const std::size_t chunks = (drawn.size() + kChunk - 1) / kChunk;
  const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16);
  const auto work = [&](std::size_t first) {
    for (std::size_t chunk = first; chunk < chunks; chunk += threads) {
      support::Random random(seed * 0x10001 + chunk);
      const std::size_t end = std::min(drawn.size(), (chunk + 1) * kChunk);
      std::uint64_t bits = 0;
      for (std::size_t i = chunk * kChunk; i < end; ++i, bits >>= 16) {
        if (i % 4 == 0) bits = random.bits();
        drawn[i] = codes[bits & 0xffff];
      }
    }
  };
  std::vector<std::jthread> pool;
  for (std::size_t i = 0; i < threads; ++i) pool.emplace_back(work, i);
  pool.clear();
  return drawn;
}

cuda::Buffer upload(const cuda::Device& device, const void* data, std::size_t bytes) {
  cuda::Buffer buffer(device, static_cast<std::int64_t>(bytes));
  buffer.upload(data, static_cast<std::int64_t>(bytes));
  return buffer;
}

cuda::Buffer random_scales(const cuda::Device& device, std::int64_t count, std::uint64_t seed) {
  support::Random random(seed);
  std::vector<float> scales(static_cast<std::size_t>(count));
  for (float& scale : scales) scale = static_cast<float>(0.5 + random.uniform());
  return upload(device, scales.data(), scales.size() * sizeof(float));
}

}  // namespace fathom::bench
