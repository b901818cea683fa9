// Tensor copies, small copies and plain memory in the emulator: what they move, and what is
// reported when a kernel touches memory that is not there, not written, or still in use.
#include <vector>

#include "emulated/tiny_kernel.hpp"
#include "ptx/global.cuh"
#include "ptx/grid.cuh"

namespace fathom::testing {
namespace {

using namespace fathom::ptx;
using emulator::MapSwizzle;
using emulator::MapType;

struct CopyParams {
  TensorMap from, to;
  int x = 0, y = 0;
  float* out = nullptr;
};

const CopyParams& copy_params(const void* params) {
  return *static_cast<const CopyParams*>(params);
}

/// In by one map, out by another.
void copy_box(const void* params, unsigned char* shared) {
  const CopyParams& p = copy_params(params);
  const auto [smem, ready] = with_barrier(shared, 1);
  if (thread_index() != 0) return;
  mbarrier_arrive_expect_tx(ready, 4096);
  tma_load_2d(smem, p.from, p.x, p.y, ready, 0);
  wait(ready, 0);
  tma_store_2d(p.to, smem, p.x, p.y);
  bulk_commit_group();
  bulk_wait_group_read<0>();
}

std::vector<unsigned char> counted(int bytes) {
  std::vector<unsigned char> values(static_cast<std::size_t>(bytes));
  for (int i = 0; i < bytes; ++i)
    values[static_cast<std::size_t>(i)] = static_cast<unsigned char>(i % 251 + 1);
  return values;
}

/// A vector's elements at a multiple of 16 bytes: operator new gives that on this platform.
TEST(Tma, MovesABoxWithEverySwizzle) {
  for (const MapSwizzle swizzle :
       {MapSwizzle::kNone, MapSwizzle::k32, MapSwizzle::k64, MapSwizzle::k128}) {
    const int cols = swizzle == MapSwizzle::kNone ? 64 : emulator::swizzle_span(swizzle);
    const int rows = 4096 / cols;
    std::vector<unsigned char> from = counted(4096), to(4096, 0);
    const CopyParams params{
        map_of(from.data(), MapType::kUint8, cols, rows, cols, cols, rows, swizzle),
        map_of(to.data(), MapType::kUint8, cols, rows, cols, cols, rows, swizzle)};
    expect_clean({}, &copy_box, params);
    EXPECT_EQ(from, to) << "swizzle of " << emulator::swizzle_span(swizzle);
  }
}

TEST(Tma, ReadsZerosOutsideAndClipsStoresAtSixteenBytes) {
  std::vector<unsigned char> from = counted(64 * 64), to(64 * 64, 0);
  // 40 columns of 64 exist: the store writes the whole chunk that holds column 39.
  const CopyParams params{map_of(from.data(), MapType::kUint8, 40, 60, 64, 64, 64),
                          map_of(to.data(), MapType::kUint8, 40, 60, 64, 64, 64)};
  expect_clean({}, &copy_box, params);
  for (int row = 0; row < 64; ++row) {
    for (int col = 0; col < 64; ++col) {
      const auto at = static_cast<std::size_t>(row * 64 + col);
      ASSERT_EQ(to[at], row < 60 && col < 40 ? from[at] : 0) << row << ", " << col;
    }
  }
  std::vector<unsigned char> ones(64 * 64, 1);
  const CopyParams over{map_of(from.data(), MapType::kUint8, 40, 60, 64, 64, 64),
                        map_of(ones.data(), MapType::kUint8, 40, 60, 64, 64, 64)};
  expect_clean({}, &copy_box, over);
  EXPECT_EQ(ones[47], 0);  // beyond the tensor, inside the chunk
  EXPECT_EQ(ones[48], 1);
}

TEST(Tma, BoxesMayBeginBeforeTheTensor) {
  std::vector<unsigned char> from = counted(64 * 64), to(64 * 64, 0);
  CopyParams params{square_map(from.data()), square_map(to.data())};
  params.x = -16;
  params.y = -3;
  expect_clean({}, &copy_box, params);
  EXPECT_EQ(to[0], from[0]);
  EXPECT_EQ(to[64 * 60 + 47], from[64 * 60 + 47]);
  EXPECT_EQ(to[64 * 61], 0);
  EXPECT_EQ(to[48], 0);
}

TEST(Tma, AddsFloats) {
  std::vector<float> from(1024, 2.0f), to(1024, 0.5f);
  const CopyParams params{map_of(from.data(), MapType::kFloat32, 32, 32, 128, 32, 32),
                          map_of(to.data(), MapType::kFloat32, 32, 32, 128, 32, 32)};
  TinyRun run;
  const Report report = run(
      [](const void* p, unsigned char* shared) {
        const auto [smem, ready] = with_barrier(shared, 1);
        if (thread_index() != 0) return;
        mbarrier_arrive_expect_tx(ready, 4096);
        tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
        wait(ready, 0);
        for (int time = 0; time < 2; ++time) tma_add_2d(copy_params(p).to, smem, 0, 0);
        bulk_commit_group();
        bulk_wait_group_read<0>();
      },
      params);
  EXPECT_TRUE(report.clean()) << report.text();
  EXPECT_EQ(to, std::vector<float>(1024, 4.5f));
}

TEST(Tma, MulticastReachesEveryCtaOfTheMask) {
  std::vector<unsigned char> from = counted(4096);
  std::vector<float> out(4, 0.0f);
  CopyParams params{square_map(from.data()), {}};
  params.out = out.data();
  TinyRun run;
  run.shape = {.grid = 4, .cluster = 4, .threads = 32, .shared_bytes = kTinyBytes};
  expect_clean(
      run,
      [](const void* p, unsigned char* shared) {
        const auto [smem, ready] = with_barrier(shared, 1);
        if (thread_index() == 0 && cluster_rank() != 2) mbarrier_arrive_expect_tx(ready, 4096);
        cluster_arrive();
        cluster_wait();
        if (cluster_rank() == 0 && elect_one())
          tma_load_2d_multicast(smem, copy_params(p).from, 0, 0, ready, 0b1011, 0);
        if (cluster_rank() != 2) {
          wait(ready, 0);
          if (thread_index() == 0)
            copy_params(p).out[cluster_rank()] = static_cast<float>(load_shared_u32(smem) & 0xff);
        }
        cluster_arrive();
        cluster_wait();
      },
      params);
  EXPECT_EQ(out, (std::vector<float>{1, 1, 0, 1}));
}

TEST(Tma, AWrongByteCountIsAMismatch) {
  std::vector<unsigned char> from = counted(4096);
  const CopyParams params{square_map(from.data()), {}};
  for (const int expected : {4080, 4112}) {
    struct Counted : CopyParams {
      int expected;
    };
    expect_found(
        {},
        [](const void* p, unsigned char* shared) {
          const auto [smem, ready] = with_barrier(shared, 1);
          if (thread_index() == 0) {
            mbarrier_arrive_expect_tx(ready, static_cast<const Counted*>(p)->expected);
            tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
          }
          wait(ready, 0);
        },
        FindingKind::kTransactionMismatch, "16 bytes", Counted{params, expected});
  }
}

TEST(Tma, ReadingBeforeTheBarrierIsReported) {
  std::vector<unsigned char> from = counted(4096);
  const CopyParams params{square_map(from.data()), {}};
  TinyRun run;
  run.options.switch_probability = 0;
  expect_found(
      run,
      [](const void* p, unsigned char* shared) {
        const auto [smem, ready] = with_barrier(shared, 1);
        if (thread_index() != 0) return;
        mbarrier_arrive_expect_tx(ready, 4096);
        for (int lap = 0; lap < 30; ++lap) {
          tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
          load_shared_u32(smem + 4092);
          wait(ready, static_cast<uint32_t>(lap) & 1);
          mbarrier_arrive_expect_tx(ready, 4096);
        }
        tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
        wait(ready, 0);
      },
      FindingKind::kInFlight, "ld.shared of 4 bytes at data[3] + 1020 while a TMA load of CTA 0",
      params);
}

TEST(Tma, OverwritingWhatAStoreStillReadsIsReported) {
  std::vector<unsigned char> to(4096, 0);
  const CopyParams params{{}, square_map(to.data())};
  expect_found(
      {},
      [](const void* p, unsigned char* shared) {
        const SmemAddr smem = smem_address(shared);
        for (int lap = 0; lap < 40; ++lap) {
          for (int i = 0; i < 4096; i += 512)
            store_shared_v4(smem + (i + thread_index() * 16), {0, 0, 0, 0});
          fence_proxy_async();
          barrier_sync(0, 32);
          if (thread_index() == 0) {
            tma_store_2d(copy_params(p).to, smem, 0, 0);
            bulk_commit_group();
          }
          warp_sync();
        }
        if (thread_index() == 0) bulk_wait_group_read<0>();
      },
      FindingKind::kInFlight, "st.shared.v4 of 16 bytes at data", params);
}

TEST(Tma, AStoreNeedsTheProxyFence) {
  std::vector<unsigned char> to(4096, 0);
  const CopyParams params{{}, square_map(to.data())};
  expect_found(
      {},
      [](const void* p, unsigned char* shared) {
        const SmemAddr smem = smem_address(shared);
        for (int i = 0; i < 4096; i += 512)
          store_shared_v4(smem + (i + thread_index() * 16), {0, 0, 0, 0});
        barrier_sync(0, 32);
        if (thread_index() != 0) return;
        tma_store_2d(copy_params(p).to, smem, 0, 0);
        bulk_commit_group();
        bulk_wait_group_read<0>();
      },
      FindingKind::kMissingFence, "wrote without a fence.proxy.async since", params);
}

TEST(Tma, EndingWhileAStoreStillReadsIsReported) {
  std::vector<unsigned char> from = counted(4096), to(4096, 0);
  const CopyParams params{square_map(from.data()), square_map(to.data())};
  TinyRun run;
  run.options.seed = 3;
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    run.options.seed = seed;
    found += run(
                 [](const void* p, unsigned char* shared) {
                   const auto [smem, ready] = with_barrier(shared, 1);
                   if (thread_index() != 0) return;
                   mbarrier_arrive_expect_tx(ready, 4096);
                   tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
                   wait(ready, 0);
                   tma_store_2d(copy_params(p).to, smem, 0, 0);
                   bulk_commit_group();
                 },
                 params)
                 .has(FindingKind::kInFlight);
  }
  EXPECT_GT(found, 30);  // now and then the store is early enough
}

TEST(Tma, RulesAreChecked) {
  std::vector<unsigned char> from = counted(4096);
  const TensorMap good = square_map(from.data());
  const auto load_at_16 = [](const void* p, unsigned char* shared) {
    const auto [smem, ready] = with_barrier(shared, 1);
    if (thread_index() == 0) tma_load_2d(smem + 16, copy_params(p).from, 0, 0, ready, 0);
  };
  expect_found({}, load_at_16, FindingKind::kMisaligned, "TMA load at data[0] + 16",
               CopyParams{good, {}});
  const auto load_from_column_8 = [](const void* p, unsigned char* shared) {
    const auto [smem, ready] = with_barrier(shared, 1);
    if (thread_index() == 0) tma_load_2d(smem, copy_params(p).from, 8, 0, ready, 0);
  };
  expect_found({}, load_from_column_8, FindingKind::kMisaligned, "starts at byte 8 of a row",
               CopyParams{good, {}});
  const auto load_at_0 = [](const void* p, unsigned char* shared) {
    const auto [smem, ready] = with_barrier(shared, 1);
    if (thread_index() == 0) tma_load_2d(smem, copy_params(p).from, 0, 0, ready, 0);
  };
  expect_found({}, load_at_0, FindingKind::kTensorMap, "multiples of 16",
               CopyParams{square_map(from.data() + 8), {}});
  expect_found({}, load_at_0, FindingKind::kTensorMap, "not a tensor map of rank 2", CopyParams{});
  expect_found(
      {},
      [](const void* p, unsigned char* shared) {
        const TensorMap copied = copy_params(p).from;
        const auto [smem, ready] = with_barrier(shared, 1);
        if (thread_index() == 0) tma_load_2d(smem, copied, 0, 0, ready, 0);
      },
      FindingKind::kTensorMap, "neither in the kernel's parameters nor in global memory",
      CopyParams{good, {}});
  TinyRun run;
  run.memory.allow("somewhere else", from.data() + 64, 4096 - 64, Access::kRead);
  expect_found(run, load_at_0, FindingKind::kOutOfBounds,
               "TMA load reads 64 bytes of global memory, -64 bytes from the start of somewhere "
               "else",
               CopyParams{good, {}});
}

TEST(StAsync, CompletesBytesInThePeer) {
  TinyRun run;
  run.shape.grid = run.shape.cluster = 2;
  expect_clean(run, [](const void*, unsigned char* shared) {
    const SmemAddr smem = smem_address(shared);
    const SmemAddr ready = tiny_barrier(smem);
    if (elect_one()) {
      mbarrier_init(ready, 1);
      fence_mbarrier_init();
      mbarrier_arrive_expect_tx(ready, 32 * 16);
    }
    cluster_arrive();
    cluster_wait();
    const int peer = 1 - cluster_rank();
    const float mine = static_cast<float>(100 * cluster_rank() + thread_index());
    store_async_v4(map_to_cta(smem + thread_index() * 16, peer), {mine, 0, 0, mine},
                   map_to_cta(ready, peer));
    wait(ready, 0);
    const Float4 got = load_shared_v4(smem + thread_index() * 16);
    if (got.w != static_cast<float>(100 * peer + thread_index())) trap();
    cluster_arrive();
    cluster_wait();
  });
}

TEST(CpAsync, ArrivesWhenItsCopiesHaveLanded) {
  std::vector<float> from(64);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  CopyParams params;
  params.out = from.data();
  expect_clean(
      {},
      [](const void* p, unsigned char* shared) {
        const auto [smem, ready] = with_barrier(shared, 32);
        const int i = thread_index();
        cp_async_4(smem + i * 4, copy_params(p).out + i);
        cp_async_4(smem + (i + 32) * 4, copy_params(p).out + i + 32);
        cp_async_arrive(ready);
        wait(ready, 0);
        if (load_shared(smem + (63 - i) * 4) != static_cast<float>(63 - i)) trap();
      },
      params);
}

TEST(SharedMemory, BoundsAndAlignmentAreChecked) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        if (thread_index() == 0) load_shared_u32(smem_address(shared) + kTinyBytes);
      },
      FindingKind::kOutOfBounds, "ld.shared of 4 bytes at shared + 8192; the CTA has 8192 bytes");
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        if (thread_index() == 0) store_shared_v4(smem_address(shared) + 8, {});
      },
      FindingKind::kMisaligned, "st.shared.v4 at data[0] + 8, which is not a multiple of 16");
}

TEST(SharedMemory, AValueNobodyWroteIsReportedWhereItIsUsed) {
  float out = 0;
  CopyParams params;
  params.out = &out;
  expect_clean(
      {}, [](const void*, unsigned char* shared) { load_shared(smem_address(shared)); }, params);
  expect_found(
      {},
      [](const void* p, unsigned char* shared) {
        const float value = load_shared(smem_address(shared) + 512) * 2.0f + 1.0f;
        if (thread_index() == 0) store_global(copy_params(p).out, value);
      },
      FindingKind::kNeverWritten, "stores what came from data[0] + 512, where nobody had written",
      params);
}

TEST(GlobalMemory, IsCheckedAgainstItsRanges) {
  std::vector<float> values(8);
  CopyParams params;
  params.out = values.data();
  TinyRun run;
  run.memory.allow("values", values.data(), 8 * 4, Access::kRead);
  expect_found(
      run,
      [](const void* p, unsigned char*) {
        if (thread_index() == 0) load_global(copy_params(p).out + 8);
      },
      FindingKind::kOutOfBounds,
      "reads 4 bytes of global memory, 32 bytes from the start of values", params);
  expect_found(
      run,
      [](const void* p, unsigned char*) {
        if (thread_index() == 0) store_global(copy_params(p).out, 1.0f);
      },
      FindingKind::kOutOfBounds, "read only", params);
}

TEST(Grid, MemoryIsForbiddenBeforeThePreviousGridEnds) {
  std::vector<float> values(8);
  CopyParams params;
  params.out = values.data();
  TinyRun run;
  run.shape.programmatic = true;
  expect_found(
      run,
      [](const void* p, unsigned char*) {
        load_global(copy_params(p).out);
        wait_for_previous_grid();
      },
      FindingKind::kDependency, "before griddepcontrol.wait", params);
  expect_clean(
      run,
      [](const void* p, unsigned char*) {
        wait_for_previous_grid();
        load_global(copy_params(p).out);
        launch_next_grid();
      },
      params);
}

}  // namespace
}  // namespace fathom::testing
