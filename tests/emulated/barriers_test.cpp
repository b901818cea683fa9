// mbarriers, named barriers, cluster barriers and register moves in the emulator: what they do, and
// what is reported when a kernel uses them wrongly.
#include "emulated/tiny_kernel.hpp"
#include "ptx/global.cuh"
#include "sync/pipeline.cuh"

namespace fathom::testing {
namespace {

using namespace fathom::ptx;

TEST(Mbarrier, EndsAPhaseAfterItsArrivals) {
  struct Params {
    uint32_t* order;
  };
  uint32_t order[2] = {};
  TinyRun run;
  run.shape.threads = 64;
  expect_clean(
      run,
      [](const void* params, unsigned char* shared) {
        const SmemAddr smem = smem_address(shared);
        const SmemAddr ready = tiny_barrier(smem);
        if (thread_index() == 0) mbarrier_init(ready, 32);
        barrier_sync(0, 64);
        for (uint32_t lap = 0; lap < 6; ++lap) {
          if (thread_index() >= 32) {
            store_shared_u32(smem + thread_index() * 4, lap);
            mbarrier_arrive(ready);
          } else {
            wait(ready, lap & 1);
            const uint32_t seen = load_shared_u32(smem + (32 + thread_index()) * 4);
            if (seen != lap) trap();
          }
          barrier_sync(0, 64);
        }
        if (thread_index() == 0) *static_cast<const Params*>(params)->order = 6;
      },
      Params{order});
  EXPECT_EQ(order[0], 6u);
}

TEST(Mbarrier, AFreshBarrierPassesOnParityOne) {
  expect_clean({}, [](const void*, unsigned char* shared) {
    const SmemAddr ready = with_barrier(shared, 1).ready;
    wait(ready, 1);
  });
}

TEST(Mbarrier, AWaitThatNobodyEndsIsADeadlockWithNames) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 2).ready;
        if (thread_index() == 0) mbarrier_arrive(ready);
        wait(ready, 0);
      },
      FindingKind::kDeadlock,
      "32 threads of warps 0 wait for ready[0], the end of a phase of parity 0; it is in phase 0: "
      "1 of 2 arrivals missing");
}

TEST(Mbarrier, TheWrongParityHangs) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 32).ready;
        mbarrier_arrive(ready);
        wait(ready, 0);
        mbarrier_arrive(ready);
        wait(ready, 1);
        wait(ready, 0);
      },
      FindingKind::kDeadlock, "of parity 0; it is in phase 2: 32 of 32 arrivals missing");
}

TEST(Mbarrier, BytesThatNeverComeAreAMismatch) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 1).ready;
        if (thread_index() == 0) mbarrier_arrive_expect_tx(ready, 128);
        wait(ready, 0);
      },
      FindingKind::kTransactionMismatch,
      "ready[0] hangs in phase 0: 0 of 1 arrivals missing, 128 bytes missing");
}

TEST(Mbarrier, AnArrivalTooManyOverflows) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 1).ready;
        if (thread_index() != 0) return;
        mbarrier_arrive_expect_tx(ready, 16);
        mbarrier_arrive(ready);
      },
      FindingKind::kBarrierOverflow, "phase 0 has its 1 arrivals and waits for 16 bytes");
}

TEST(Mbarrier, UseBeforeInitIsReported) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        if (elect_one()) mbarrier_arrive(tiny_barrier(smem_address(shared)) + 8);
      },
      FindingKind::kBarrierMisuse,
      "mbarrier.arrive on ready[1] of CTA 0, which is not initialised");
}

TEST(Mbarrier, PlainAccessToABarrierIsReported) {
  expect_found(
      {},
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 1).ready;
        if (elect_one()) store_shared_u32(ready + 4, 1);
      },
      FindingKind::kBarrierMisuse, "st.shared at ready[0] + 4, which holds an mbarrier");
}

TEST(Mbarrier, ARemoteArrivalNeedsTheInitFence) {
  TinyRun run;
  run.shape.grid = run.shape.cluster = 2;
  expect_found(
      run,
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = tiny_barrier(smem_address(shared));
        if (elect_one()) mbarrier_init(ready, 1);
        cluster_arrive();
        cluster_wait();
        if (elect_one()) mbarrier_arrive_cluster(map_to_cta(ready, 1 - cluster_rank()));
        wait(ready, 0);
        cluster_arrive();
        cluster_wait();
      },
      FindingKind::kMissingFence, "without a fence.mbarrier_init since");
}

TEST(Mbarrier, APeerThatHasEndedIsReported) {
  TinyRun run;
  run.shape.grid = run.shape.cluster = 2;
  expect_found(
      run,
      [](const void*, unsigned char* shared) {
        const SmemAddr ready = tiny_barrier(smem_address(shared));
        const SmemAddr own = ready + 8;
        if (elect_one()) {
          mbarrier_init(ready, 1);
          mbarrier_init(own, 1);
          fence_mbarrier_init();
        }
        cluster_arrive();
        cluster_wait();
        if (cluster_rank() == 1) return;
        if (!elect_one()) return;
        // Longer than any schedule prefers one warp to the others.
        for (int turn = 0; turn < 200000; ++turn) mbarrier_try_wait_parity(own, 1);
        mbarrier_arrive_cluster(map_to_cta(ready, 1));
      },
      FindingKind::kPeerGone, "mbarrier.arrive at ready[0] of CTA 1, which has ended");
}

TEST(Mbarrier, ABoundedWaitWritesItsReportAndTraps) {
  struct Params {
    sync::WaitReport* report;
  };
  sync::WaitReport report{};
  expect_found(
      {},
      [](const void* params, unsigned char* shared) {
        const SmemAddr ready = with_barrier(shared, 1).ready;
        const sync::Ring<1, true> ring{
            ready, ready + 8, {static_cast<const Params*>(params)->report}};
        if (thread_index() == 0) ring.await(0, 0);
      },
      FindingKind::kTrap, "the kernel traps", Params{&report});
  EXPECT_EQ(report.barrier, static_cast<uint32_t>(sync::BarrierName::kFull));
  EXPECT_EQ(report.parity, 0u);
  EXPECT_EQ(report.thread, 0u);
}

TEST(NamedBarrier, UnequalCountsAreReported) {
  TinyRun run;
  run.shape.threads = 96;
  expect_found(
      run, [](const void*, unsigned char*) { barrier_sync(3, thread_index() < 64 ? 96 : 64); },
      FindingKind::kBarrierMisuse, "barrier.sync 3 of");
}

TEST(NamedBarrier, AMissingWarpIsADeadlock) {
  TinyRun run;
  run.shape.threads = 96;
  expect_found(
      run,
      [](const void*, unsigned char*) {
        if (thread_index() < 64) barrier_sync(3, 96);
      },
      FindingKind::kDeadlock, "64 threads of warps 0 1 wait for barrier 3: 64 of 96 threads");
}

TEST(NamedBarrier, WarpsThatOnlyArriveGoOn) {
  TinyRun run;
  run.shape.threads = 64;
  expect_clean(run, [](const void*, unsigned char*) {
    if (thread_index() < 32) {
      barrier_arrive(3, 64);
      barrier_sync(4, 64);
    } else {
      barrier_sync(4, 64);
      barrier_sync(3, 64);
    }
  });
}

TEST(ClusterBarrier, DoesNotWaitForThreadsThatEnded) {
  TinyRun run;
  run.shape = {.grid = 4, .cluster = 2, .threads = 64, .shared_bytes = kTinyBytes};
  expect_clean(run, [](const void*, unsigned char*) {
    cluster_arrive_relaxed();
    if (thread_index() >= 32) return;
    cluster_wait();
    cluster_arrive();
    cluster_wait();
  });
}

TEST(ClusterBarrier, TwoArrivalsInARowAreReported) {
  expect_found(
      {},
      [](const void*, unsigned char*) {
        cluster_arrive();
        cluster_arrive();
        cluster_wait();
      },
      FindingKind::kBarrierMisuse, "twice without a barrier.cluster.wait");
}

TEST(Registers, MoveBetweenWarpgroups) {
  TinyRun run;
  run.shape.threads = 384;
  run.shape.registers = 168;
  expect_clean(run, [](const void*, unsigned char*) {
    if (thread_index() < 128)
      setmaxnreg_dec<40>();
    else
      setmaxnreg_inc<232>();
  });
}

TEST(Registers, MoreThanThePoolHoldsIsReported) {
  TinyRun run;
  run.shape.threads = 384;
  run.shape.registers = 168;
  expect_found(
      run,
      [](const void*, unsigned char*) {
        if (thread_index() < 128)
          setmaxnreg_dec<48>();
        else
          setmaxnreg_inc<232>();
      },
      FindingKind::kRegisterBudget, "wait for 232 registers a thread; the CTA's pool has");
}

TEST(Warp, ALaneThatEndsEarlyIsReported) {
  expect_found(
      {},
      [](const void*, unsigned char*) {
        if (lane_index() == 5) return;
        warp_sync();
      },
      FindingKind::kDivergence, "warp");
}

TEST(Warp, DifferentInstructionsOfAWarpAreReported) {
  expect_found(
      {},
      [](const void*, unsigned char*) {
        if (lane_index() < 16)
          warp_sync();
        else
          warp_uniform(1);
      },
      FindingKind::kDivergence, "other lanes of the warp are in");
}

TEST(Trap, IsReportedWithItsThread) {
  expect_found(
      {},
      [](const void*, unsigned char*) {
        if (thread_index() == 7) trap();
      },
      FindingKind::kTrap, "thread 7, warp 0: the kernel traps");
}

}  // namespace
}  // namespace fathom::testing
