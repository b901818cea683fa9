// wgmma in the emulator: operands decoded, sums placed, and what is reported when a kernel reads
// too early, overwrites operands or lets its warps disagree.
#include <random>
#include <vector>

#include "emulated/tiny_kernel.hpp"
#include "ptx/global.cuh"
#include "support/fp8.hpp"
#include "tile/accumulator.cuh"
#include "tile/swizzle.hpp"

namespace fathom::testing {
namespace {

using namespace fathom::ptx;

constexpr int kCols = 24;
constexpr int kRows = 64;
constexpr int kK = 128;
constexpr int kABytes = kRows * kK;
constexpr int kBOffset = kABytes;
constexpr int kSharedBytes = kABytes + 4096;

struct Params {
  const uint32_t* a;  // [64, 128] codes
  const uint32_t* b;  // [24, 128]
  float* d;           // [64, 24]
};

void put_tile(SmemAddr to, const uint32_t* codes, int rows) {
  for (int i = thread_index(); i < rows * kK / 4; i += 128)
    store_shared_u32(to + tile::swizzled(i * 4, kK), load_global_u32(codes + i));
}

struct Tiles {
  tile::OperandTile a, b;
};
Tiles tiles_at(unsigned char* shared) {
  const SmemAddr smem = smem_address(shared);
  return {tile::OperandTile::at(smem), tile::OperandTile::at(smem + kBOffset)};
}

Tiles put_unfenced(const void* params, unsigned char* shared) {
  const Params& p = *static_cast<const Params*>(params);
  const SmemAddr smem = smem_address(shared);
  put_tile(smem, p.a, kRows);
  put_tile(smem + kBOffset, p.b, kCols);
  return tiles_at(shared);
}

/// Where wgmma may read them.
Tiles put_operands(const void* params, unsigned char* shared) {
  const Tiles tiles = put_unfenced(params, shared);
  fence_proxy_async();
  barrier_sync(0, 128);
  return tiles;
}

void store_sums(const void* params, const tile::Accumulator<kCols>& sums) {
  const Params& p = *static_cast<const Params*>(params);
  const int row = thread_index() / 32 * 16 + lane_index() / 4;
  for (int i = 0; i < kCols / 2; ++i) {
    const int col = i / 4 * 8 + lane_index() % 4 * 2 + i % 2;
    store_global(p.d + ((row + (i % 4 >= 2 ? 8 : 0)) * kCols + col), sums.v[i]);
  }
}

/// d = a * b, by all the rules.
void multiply(const void* params, unsigned char* shared) {
  const auto [a, b] = put_operands(params, shared);
  tile::Accumulator<kCols> sums;
  sums.start_product(a, b);
  sums.wait();
  store_sums(params, sums);
}

struct Operands {
  std::vector<uint32_t> a, b;
  std::vector<float> d, wanted;

  explicit Operands(unsigned seed)
      : a(kRows * kK / 4), b(kCols * kK / 4), d(kRows * kCols), wanted(kRows * kCols) {
    std::mt19937 random(seed);
    // Small integers: sums are exact.
    const auto draw = [&] {
      uint32_t word = 0;
      for (int i = 0; i < 4; ++i)
        word |= uint32_t{support::e4m3_from_float(static_cast<float>(random() % 9) - 4.0f)}
                << (8 * i);
      return word;
    };
    for (uint32_t& word : a) word = draw();
    for (uint32_t& word : b) word = draw();
    for (int row = 0; row < kRows; ++row) {
      for (int col = 0; col < kCols; ++col) {
        for (int k = 0; k < kK; ++k)
          wanted[static_cast<std::size_t>(row * kCols + col)] +=
              element(a, row, k) * element(b, col, k);
      }
    }
  }
  static float element(const std::vector<uint32_t>& codes, int row, int k) {
    const uint32_t word = codes[static_cast<std::size_t>((row * kK + k) / 4)];
    return support::e4m3_to_float(static_cast<uint8_t>(word >> (k % 4 * 8)));
  }
  Params params() { return {a.data(), b.data(), d.data()}; }
};

TinyRun warpgroup_run() {
  TinyRun run;
  run.shape = {.threads = 128, .shared_bytes = kSharedBytes};
  run.options.regions = {{"a", 0, kABytes, 1}, {"b", kBOffset, kCols * kK, 1}};
  return run;
}

TEST(Wgmma, MultipliesSwizzledTiles) {
  Operands operands(1);
  expect_clean(warpgroup_run(), &multiply, operands.params());
  EXPECT_EQ(operands.d, operands.wanted);
}

TEST(Wgmma, ReadingBeforeTheWaitIsReported) {
  Operands operands(2);
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        const auto [a, b] = put_operands(p, shared);
        tile::Accumulator<kCols> sums, doubled;
        sums.start_product(a, b);
        for (int i = 0; i < kCols / 2; ++i) doubled.v[i] = 2.0f * sums.v[i];
        sums.wait();
        store_sums(p, doubled);
      },
      FindingKind::kEarlyRead, "came from wgmma 0 of its warp before wgmma.wait_group",
      operands.params());
}

TEST(Wgmma, WritingAccumulatorsBeforeTheWaitIsReported) {
  Operands operands(3);
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        const auto [a, b] = put_operands(p, shared);
        tile::Accumulator<kCols> sums;
        sums.start_product(a, b);
        sums.zero();
        sums.wait();
      },
      FindingKind::kEarlyRead, "the accumulators of wgmma 0 were written before",
      operands.params());
}

TEST(Wgmma, NeedsItsFences) {
  Operands operands(4);
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        const auto [a, b] = put_unfenced(p, shared);
        barrier_sync(0, 128);
        tile::Accumulator<kCols> sums;
        sums.start_product(a, b);
        sums.wait();
      },
      FindingKind::kMissingFence, "wrote without a fence.proxy.async since", operands.params());
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        const auto [a, b] = put_operands(p, shared);
        tile::Accumulator<kCols> sums;
        const uint64_t left = a.descriptor(), right = b.descriptor();
        WgmmaE4m3<kCols>::mma(sums.v, {left, left, left, left}, {right, right, right, right});
        wgmma_commit_group();
        wgmma_wait_group<0>();
      },
      FindingKind::kMissingFence, "without a wgmma.fence", operands.params());
}

TEST(Wgmma, OverwritingOperandsBeforeTheWaitIsReported) {
  Operands operands(5);
  TinyRun run = warpgroup_run();
  run.options.switch_probability = 0;
  expect_found(
      run,
      [](const void* p, unsigned char* shared) {
        for (int lap = 0; lap < 20; ++lap) {
          const auto [a, b] = put_operands(p, shared);
          tile::Accumulator<kCols> sums;
          sums.start_product(a, b);
          store_shared_u32(smem_address(shared) + thread_index() * 4, 0);
          sums.wait();
          barrier_sync(0, 128);
        }
      },
      FindingKind::kInFlight, "st.shared of 4 bytes at a", operands.params());
}

TEST(Wgmma, RowsThatNobodyWroteStayAmongThemselves) {
  Operands operands(6);
  const auto kernel = [](const void* p, unsigned char* shared) {
    const Params& params = *static_cast<const Params*>(p);
    const SmemAddr smem = smem_address(shared);
    put_tile(smem, params.a, 16);  // one warp's rows
    put_tile(smem + kBOffset, params.b, kCols);
    fence_proxy_async();
    barrier_sync(0, 128);
    const auto [a, b] = tiles_at(shared);
    tile::Accumulator<kCols> sums;
    sums.start_product(a, b);
    sums.wait();
    if (thread_index() < 32) store_sums(p, sums);
  };
  expect_clean(warpgroup_run(), kernel, operands.params());
  for (std::size_t i = 0; i < 16 * kCols; ++i) ASSERT_EQ(operands.d[i], operands.wanted[i]);
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        put_tile(smem_address(shared) + kBOffset, static_cast<const Params*>(p)->b, kCols);
        fence_proxy_async();
        barrier_sync(0, 128);
        const auto [a, b] = tiles_at(shared);
        tile::Accumulator<kCols> sums;
        sums.start_product(a, b);
        sums.wait();
        store_sums(p, sums);
      },
      FindingKind::kNeverWritten, "came from a", operands.params());
}

TEST(Wgmma, DescriptorsAreChecked) {
  expect_found(
      warpgroup_run(),
      [](const void*, unsigned char* shared) {
        const auto [a, b] = tiles_at(shared);
        tile::Accumulator<kCols> sums;
        sums.start_product(a + 128, b);
        sums.wait();
      },
      FindingKind::kMisaligned, "does not begin in the first row of a swizzle pattern");
  expect_found(
      warpgroup_run(),
      [](const void*, unsigned char* shared) {
        const auto [a, b] = tiles_at(shared);
        tile::Accumulator<kCols> sums;
        sums.start_product(a + 8192, b);
        sums.wait();
      },
      FindingKind::kOutOfBounds, "wgmma of");
}

TEST(Wgmma, WarpsMustIssueTheSameProducts) {
  Operands operands(7);
  expect_found(
      warpgroup_run(),
      [](const void* p, unsigned char* shared) {
        const auto [a, b] = put_operands(p, shared);
        tile::Accumulator<kCols> sums;
        const int warp = warp_uniform(thread_index() / 32);
        sums.start_product(a, warp == 2 ? a : b);
        sums.wait();
      },
      FindingKind::kDivergence, "is not that of the warpgroup's other warps", operands.params());
}

TEST(Wgmma, NaNsBecomeTheOneOfTheHardware) {
  Operands operands(8);
  operands.a[0] = 0x7f;
  expect_clean(warpgroup_run(), &multiply, operands.params());
  uint32_t bits = 0;
  std::memcpy(&bits, operands.d.data(), sizeof bits);
  EXPECT_EQ(bits, 0x7fffffffu);
  EXPECT_EQ(operands.d[kCols], operands.wanted[kCols]);
}

}  // namespace
}  // namespace fathom::testing
