// Shared and global memory, barriers and grids against host models, on a GPU or in the emulator.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "ptx_cases/machine.hpp"
#include "support/random.hpp"

namespace fathom::ptx_cases {
namespace {

using Words = std::vector<std::uint32_t>;

Words random_words(std::size_t count, std::uint64_t seed) {
  support::Random random(seed);
  Words words(count);
  for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random.bits());
  return words;
}

/// Runs a kernel of CopyParams on `in` and returns the first `count` words of what it wrote.
Words run(const std::string& kernel, const cuda::LaunchShape& shape, const Words& in,
          std::size_t count) {
  Machine& machine = Machine::instance();
  const cuda::Buffer from = machine.upload(in);
  cuda::Buffer to(machine.device(), static_cast<std::int64_t>(count) * 4);
  to.fill(0xee);
  machine.run(kernel, shape, CopyParams{from.data(), to.data()});
  return Machine::download<std::uint32_t>(to);
}

TEST(PtxMemory, SharedInEveryWidth) {
  const Words in = random_words(512, 21);
  const Words got =
      run("ptx_shared", {.grid = {1}, .block = {128}, .shared_bytes = 2048}, in, 2048);
  Words swapped(512);
  for (std::size_t t = 0; t < 128; ++t) {
    const std::size_t to = 4 * (127 - t);
    swapped[to] = in[4 * t + 1], swapped[to + 1] = in[4 * t], swapped[to + 2] = in[4 * t + 3];
    swapped[to + 3] = in[to + 3];  // what nobody wrote a second time
  }
  for (std::size_t t = 0; t < 128; ++t) {
    SCOPED_TRACE(t);
    const std::uint32_t* out = &got[16 * t];
    EXPECT_EQ(out[0], in[t * 7 % 512]);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(out[1 + i], in[t * 5 % 256 * 2 + i]);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(out[3 + i], in[t * 3 % 128 * 4 + i]);
    const std::size_t half = t * 11 % 1024;
    EXPECT_EQ(out[7], in[half / 2] >> (half % 2 * 16) & 0xffff);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(out[8 + i], swapped[4 * t + i]);
  }
}

/// Row `row` of 8x8 matrix i comes from the registers r_i of lanes 4 row to 4 row + 3, two elements
/// each, and goes to the address that lane 8 i + row gave (PTX ISA, stmatrix).
void place_matrices(Words& smem, std::size_t first, const Words& in, std::size_t matrices,
                    std::size_t step, std::size_t rows, const std::vector<std::size_t>& registers) {
  for (std::size_t i = 0; i < matrices; ++i)
    for (std::size_t row = 0; row < 8; ++row)
      for (std::size_t word = 0; word < 4; ++word)
        smem[first + (8 * i + row) * step % rows * 4 + word] =
            in[4 * (4 * row + word) + registers[i]];
}

TEST(PtxMemory, Stmatrix) {
  const Words in = random_words(128, 22);
  const Words got = run("ptx_stmatrix", {.grid = {1}, .block = {32}, .shared_bytes = 768}, in, 192);
  Words wanted(192);
  place_matrices(wanted, 0, in, 4, 5, 32, {0, 1, 2, 3});
  place_matrices(wanted, 128, in, 2, 3, 16, {3, 2});
  EXPECT_EQ(got, wanted);
}

/// As place_matrices, but element (i, j) goes where (j, i) went.
void place_transposed(Words& smem, std::size_t first, const Words& in, std::size_t matrices,
                      std::size_t step, std::size_t rows,
                      const std::vector<std::size_t>& registers) {
  for (std::size_t i = 0; i < matrices; ++i)
    for (std::size_t row = 0; row < 8; ++row)
      for (std::size_t word = 0; word < 4; ++word) {
        const auto element = [&](std::size_t r) {
          return in[4 * (4 * r + row / 2) + registers[i]] >> (row % 2 * 16) & 0xffff;
        };
        smem[first + (8 * i + row) * step % rows * 4 + word] =
            element(2 * word) | element(2 * word + 1) << 16;
      }
}

TEST(PtxMemory, StmatrixTransposed) {
  const Words in = random_words(128, 26);
  const Words got =
      run("ptx_stmatrix_trans", {.grid = {1}, .block = {32}, .shared_bytes = 768}, in, 192);
  Words wanted(192);
  place_transposed(wanted, 0, in, 4, 5, 32, {0, 1, 2, 3});
  place_transposed(wanted, 128, in, 2, 3, 16, {3, 2});
  EXPECT_EQ(got, wanted);
}

TEST(PtxMemory, WarpsExchangeWords) {
  const Words in = random_words(32, 27);
  const Words got = run("ptx_warp", {.grid = {1}, .block = {32}}, in, 256);
  std::uint32_t odd = 0;
  for (std::size_t lane = 0; lane < 32; ++lane) odd |= (in[lane] & 1) << lane;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    SCOPED_TRACE(lane);
    const std::uint32_t* out = &got[8 * lane];
    EXPECT_EQ(out[0], in[lane * 7 % 32]);
    EXPECT_EQ(out[1], in[lane < 3 ? lane : lane - 3]);
    EXPECT_EQ(out[2], in[lane > 26 ? lane : lane + 5]);
    EXPECT_EQ(out[3], odd);
    EXPECT_EQ(out[4], static_cast<std::uint32_t>(std::popcount(in[lane])));
    EXPECT_EQ(out[5], in[lane / 2 * 2]);
    EXPECT_EQ(out[6], in[lane / 2 * 2 + 1]);
    EXPECT_EQ(out[7], in[lane]);
  }
}

TEST(PtxMemory, GlobalInEveryWidth) {
  const Words in = random_words(256, 23);
  const Words got = run("ptx_global", {.grid = {1}, .block = {64}}, in, 1024);
  for (std::size_t t = 0; t < 64; ++t) {
    SCOPED_TRACE(t);
    const std::uint32_t* item = &in[4 * t];
    const std::uint32_t* out = &got[16 * t];
    const std::uint32_t wanted[14] = {
        item[0], item[1], item[2], item[3], item[0], item[1], item[2],
        item[3], item[0], item[1], item[0], item[3], item[1], (item[2] & 0xffff) | 0xeeee0000};
    for (std::size_t i = 0; i < 14; ++i) EXPECT_EQ(out[i], wanted[i]) << "word " << i;
  }
}

TEST(PtxMemory, CpAsync) {
  const Words in = random_words(96, 24);
  const Words got = run("ptx_cp_async", {.grid = {1}, .block = {32}, .shared_bytes = 1024}, in, 96);
  EXPECT_EQ(got, Words(in.rbegin(), in.rend()));
}

TEST(PtxMemory, ClusterPush) {
  constexpr std::size_t kWords = 4 * 64;  // of a CTA
  const Words in = random_words(8 * kWords, 25);
  const Words got =
      run("ptx_cluster_push", {.grid = {8}, .block = {64}, .cluster = {4}, .shared_bytes = 2048},
          in, 8 * kWords);
  for (std::size_t cta = 0; cta < 8; ++cta) {
    const std::size_t from = cta / 4 * 4 + (cta + 3) % 4;  // the CTA before this one in its cluster
    for (std::size_t i = 0; i < kWords; ++i)
      ASSERT_EQ(got[cta * kWords + i], in[from * kWords + i]) << "CTA " << cta << " word " << i;
  }
}

TEST(PtxSync, MbarrierPhases) {
  const Words got = run("ptx_mbarrier",
                        {.grid = {1}, .block = {32}, .cluster = {1}, .shared_bytes = 1024}, {0}, 5);
  EXPECT_EQ(got, (Words{1, 1, 1, 1, 4}));
}

TEST(PtxSync, NamedBarriers) {
  const Words got =
      run("ptx_named_barriers", {.grid = {1}, .block = {128}, .shared_bytes = 1024}, {0}, 128);
  for (std::uint32_t t = 0; t < 128; ++t)
    EXPECT_EQ(got[t], (t ^ 32) * (1 + 2 + 3) + (t % 64 < 32 ? 1000 : 10000)) << t;
}

TEST(PtxGrid, TheSecondSeesWhatTheFirstWrote) {
  Machine& machine = Machine::instance();
  const cuda::Stream stream(machine.device());
  const cuda::Buffer word = machine.upload(Words{0});
  const cuda::Buffer seen = machine.upload(Words(4, 0));
  for (std::uint32_t round = 1; round <= 20; ++round) {
    GridParams params{static_cast<std::uint32_t*>(word.data()),
                      static_cast<std::uint32_t*>(seen.data())};
    cuda::LaunchShape shape{.grid = {1}, .block = {32}, .programmatic = true};
    machine.launch("ptx_first_grid", shape, &params, stream.handle());
    shape.grid = {4};
    machine.launch("ptx_second_grid", shape, &params, stream.handle());
    stream.synchronize();
    EXPECT_EQ(Machine::download<std::uint32_t>(seen), Words(4, round));
  }
}

}  // namespace
}  // namespace fathom::ptx_cases
