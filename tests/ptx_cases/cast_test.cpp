// Conversions, shuffles, identities and registers against host models, on a GPU or in the emulator.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fathom/error.hpp>

#include "ptx_cases/machine.hpp"
#include "support/fp8.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom::ptx_cases {
namespace {

constexpr std::uint64_t kSeed = 11;
constexpr std::uint32_t kNan = 0x7fffffff;  // what the hardware's arithmetic makes of any NaN

std::uint32_t bits(float value) {
  return std::isnan(value) ? kNan : std::bit_cast<std::uint32_t>(value);
}
float value(std::uint32_t word) {
  return std::bit_cast<float>(word);
}

/// Edges of every format, each beside each, then random words and random numbers of ordinary size.
void fill(std::vector<std::uint32_t>& a, std::vector<std::uint32_t>& b) {
  const std::vector<float> edges = {
      0.0f,    -0.0f,    1.0f,       -1.5f,   447.9f,   448.0f,    463.9f,   464.0f,   -465.0f,
      0x1p-9f, 0x1p-10f, 0x1.8p-10f, 0x1p-6f, 1e-45f,   -1e-38f,   0x1p126f, 0x1p127f, 3.3895e38f,
      65504.f, 17.0f,    19.0f,      1e-4f,   INFINITY, -INFINITY, NAN,      -NAN};
  for (const float x : edges)
    for (const float y : edges)
      a.push_back(std::bit_cast<std::uint32_t>(x)), b.push_back(std::bit_cast<std::uint32_t>(y));
  support::Random random(kSeed);
  for (int i = 0; i < 65536; ++i) {
    a.push_back(static_cast<std::uint32_t>(i) | static_cast<std::uint32_t>(random.bits()) << 16);
    b.push_back(static_cast<std::uint32_t>(random.bits()));
  }
  while (a.size() < 90000 || a.size() % 128 != 0) {
    a.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(random.normal() * 200)));
    b.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(random.normal() * 0.01)));
  }
}

/// max.f32: a number before any NaN, and +0 above -0.
std::uint32_t max_of(float x, float y) {
  if (std::isnan(x)) return bits(y);
  if (std::isnan(y) || x > y || (x == y && !std::signbit(x))) return bits(x);
  return bits(y);
}

std::uint32_t e4m3_pair(std::uint32_t low, std::uint32_t high) {
  const auto code = [](std::uint32_t word) {
    return std::isnan(value(word)) ? support::kE4m3Nan : support::e4m3_from_float(value(word));
  };
  return code(low) | static_cast<std::uint32_t>(code(high)) << 8;
}

std::uint32_t fp16_pair(std::uint32_t codes) {
  const auto half = [](std::uint32_t code) -> std::uint32_t {
    const float x = support::e4m3_to_float(static_cast<std::uint8_t>(code));
    return std::isnan(x) ? 0x7fff : support::fp16_from_float(x);
  };
  return half(codes & 0xff) | half(codes >> 8 & 0xff) << 16;
}

std::uint32_t bf16_pair(std::uint32_t low, std::uint32_t high) {
  const auto half = [](std::uint32_t word) -> std::uint32_t {
    return std::isnan(value(word)) ? 0x7fff : support::bf16_from_float(value(word));
  };
  return half(low) | half(high) << 16;
}

TEST(PtxCasts, AreTheHostsOwn) {
  std::vector<std::uint32_t> a, b;
  fill(a, b);
  Machine& machine = Machine::instance();
  const cuda::Buffer in_a = machine.upload(a), in_b = machine.upload(b);
  const cuda::Buffer out(machine.device(), static_cast<std::int64_t>(a.size()) * kCastOutputs * 4);
  machine.run("ptx_casts", {.grid = {static_cast<unsigned>(a.size() / 128)}, .block = {128}},
              CastParams{static_cast<const std::uint32_t*>(in_a.data()),
                         static_cast<const std::uint32_t*>(in_b.data()),
                         static_cast<std::uint32_t*>(out.data())});
  const auto got = Machine::download<std::uint32_t>(out);
  const char* names[kCastOutputs] = {
      "divide",    "multiply",     "max_number", "absolute",    "float_of_bits", "float_of_fp16",
      "pack_e4m3", "fp16_of_e4m3", "pack_bf16",  "shuffle_xor", "make_opaque",   "pin_accumulator"};
  int wrong = 0;
  for (std::size_t i = 0; i < a.size() && wrong < 10; ++i) {
    const float x = value(a[i]), y = value(b[i]);
    const float half = support::fp16_to_float(static_cast<std::uint16_t>(a[i]));
    const std::uint32_t wanted[kCastOutputs] = {bits(x / y),
                                                bits(x * y),
                                                max_of(x, y),
                                                bits(std::fabs(x)),
                                                a[i],
                                                bits(half),
                                                e4m3_pair(a[i], b[i]),
                                                fp16_pair(a[i]),
                                                bf16_pair(a[i], b[i]),
                                                a[i ^ 5],
                                                a[i],
                                                b[i]};
    for (std::size_t j = 0; j < kCastOutputs; ++j) {
      std::uint32_t word = got[i * kCastOutputs + j];
      // NaN by NaN: which bits it keeps is the instruction's business, that it is one is not.
      if (j < 6 && j != 4 && std::isnan(value(word))) word = kNan;
      if (word == wanted[j]) continue;
      ++wrong;
      ADD_FAILURE() << fmt::format("{} of {:#010x}, {:#010x}: {:#010x}, wanted {:#010x}", names[j],
                                   a[i], b[i], word, wanted[j]);
    }
  }
}

TEST(PtxThreads, KnowTheirPlace) {
  constexpr int kCtas = 6, kThreads = 96;
  Machine& machine = Machine::instance();
  const cuda::Buffer out(machine.device(), kCtas * kThreads * std::int64_t{sizeof(ThreadFacts)});
  machine.run("ptx_threads", {.grid = {kCtas}, .block = {kThreads}, .cluster = {2}},
              ThreadParams{static_cast<ThreadFacts*>(out.data())});
  const auto facts = Machine::download<ThreadFacts>(out);
  for (int cta = 0; cta < kCtas; ++cta) {
    int elected[kThreads / 32] = {};
    for (int t = 0; t < kThreads; ++t) {
      const ThreadFacts& f = facts[static_cast<std::size_t>(cta * kThreads + t)];
      SCOPED_TRACE(fmt::format("CTA {} thread {}", cta, t));
      EXPECT_EQ(f.thread, t);
      EXPECT_EQ(f.lane, t % 32);
      EXPECT_EQ(f.cta, cta);
      EXPECT_EQ(f.ctas, kCtas);
      EXPECT_EQ(f.rank, cta % 2);
      EXPECT_EQ(f.uniform, 100 + t / 32 * 32);
      EXPECT_EQ(f.time_passes, 1);
      elected[t / 32] += f.elected;
    }
    for (const int count : elected) EXPECT_EQ(count, 1) << "lanes elected in a warp of CTA " << cta;
  }
}

TEST(PtxThreads, MoveRegistersBetweenWarpgroups) {
  Machine& machine = Machine::instance();
  const cuda::Buffer out(machine.device(), 384 * 4);
  machine.run("ptx_registers", {.grid = {1}, .block = {384}}, CopyParams{nullptr, out.data()});
  const auto numbers = Machine::download<int>(out);
  for (int t = 0; t < 384; ++t) EXPECT_EQ(numbers[static_cast<std::size_t>(t)], t);
}

/// In a process of its own: what a trap leaves of a GPU's context nobody can use.
TEST(PtxThreadsDeathTest, TrapEndsTheGrid) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto trap = [] {
    Machine& machine = Machine::instance();
    std::vector<int> which(32, 0);
    which[9] = 7;
    const cuda::Buffer in = machine.upload(which);
    try {
      machine.run("ptx_trap", {.grid = {1}, .block = {32}}, CopyParams{in.data(), nullptr});
    } catch (const Error& error) {
      std::fprintf(stderr, "the grid ended: %s\n", error.what());
      std::_Exit(3);
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(trap(), ::testing::ExitedWithCode(3), "the grid ended: .*(launch|trap)");
}

}  // namespace
}  // namespace fathom::ptx_cases
