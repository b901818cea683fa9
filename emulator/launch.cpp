#include "emulator/launch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "emulator/cluster.hpp"

namespace fathom::emulator {
namespace {

// Limits of sm_90 (CUDA programming guide, compute capabilities): threads of a CTA, CTAs of a
// portable cluster, shared memory of a CTA, registers of an SM and of a thread.
constexpr int kMaxThreads = 1024;
constexpr int kMaxCluster = 8;
constexpr int kMaxSharedBytes = 232448;
constexpr int kSmRegisters = 65536;
constexpr int kMaxRegisters = 255;

LaunchShape checked(LaunchShape shape) {
  const auto refuse = [](const std::string& why) {
    throw std::invalid_argument("launching in the emulator: " + why);
  };
  if (shape.threads < kWarpThreads || shape.threads > kMaxThreads ||
      shape.threads % kWarpThreads != 0)
    refuse(
        fmt::format("{} threads; it needs a multiple of 32 up to {}", shape.threads, kMaxThreads));
  if (shape.cluster < 1 || shape.cluster > kMaxCluster)
    refuse(fmt::format("a cluster of {}; it needs 1 to {}", shape.cluster, kMaxCluster));
  if (shape.grid < 1 || shape.grid % shape.cluster != 0)
    refuse(fmt::format("a grid of {}; it needs whole clusters of {}", shape.grid, shape.cluster));
  if (shape.shared_bytes < 0 || shape.shared_bytes > kMaxSharedBytes)
    refuse(fmt::format("{} bytes of shared memory; it needs 0 to {}", shape.shared_bytes,
                       kMaxSharedBytes));
  if (shape.registers == 0)
    shape.registers = std::min(kMaxRegisters / 8 * 8, kSmRegisters / shape.threads / 8 * 8);
  if (shape.registers > kMaxRegisters || shape.registers * shape.threads > kSmRegisters)
    refuse(fmt::format("{} registers for each of {} threads; it needs at most {} in all",
                       shape.registers, shape.threads, kSmRegisters));
  return shape;
}

struct ClusterResult {
  std::vector<Finding> findings;
  std::uint64_t trace_hash = 0;
  std::int64_t switches = 0, steps = 0;
};

/// Deals clusters to host threads in an order of the seed, because nothing may depend on theirs;
/// whoever is free takes the next.
class Workers {
 public:
  Workers(const Launch& launch, int num_clusters)
      : launch_(launch), results_(static_cast<std::size_t>(num_clusters)), order_(results_.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    Random random(Random::mix(launch.options->seed ^ results_.size()));
    for (std::size_t left = order_.size(); left > 1; --left)
      std::swap(order_[left - 1], order_[random.below(static_cast<std::uint32_t>(left))]);
  }

  std::vector<ClusterResult> run(int num_threads) {
    {
      std::vector<std::jthread> helpers;
      for (int i = 1; i < num_threads; ++i) {
        try {
          helpers.emplace_back([this] { work(); });
        } catch (const std::system_error&) {
          break;  // the process may start no more threads: fewer do the same work
        }
      }
      work();
    }
    if (problem_) std::rethrow_exception(problem_);
    return std::move(results_);
  }

 private:
  void work() {
    try {
      const StackPool stacks(launch_.shape.threads * launch_.shape.cluster);
      for (std::size_t i = next_++; i < order_.size(); i = next_++) {
        const int index = order_[i];
        Cluster cluster(launch_, index, stacks);
        cluster.run();
        results_[static_cast<std::size_t>(index)] = {
            std::move(cluster.findings), cluster.scheduler.trace_hash(),
            cluster.scheduler.switches(), cluster.scheduler.steps()};
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      problem_ = std::current_exception();
    }
  }

  const Launch& launch_;
  std::vector<ClusterResult> results_;
  std::vector<int> order_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr problem_;
};

struct FreeParams {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t{64}); }
};

}  // namespace

void Memory::allow(std::string name, const void* base, std::size_t bytes, Access access) {
  const auto begin = reinterpret_cast<std::uintptr_t>(base);
  ranges_.push_back({std::move(name), begin, begin + bytes, access});
}

Report run(KernelEntry kernel, const LaunchShape& shape, const void* params,
           std::size_t param_bytes, const Memory& memory, const Options& options) {
  const LaunchShape launch_shape = checked(shape);
  const std::unique_ptr<std::byte[], FreeParams> copy(
      new (std::align_val_t{64}) std::byte[std::max<std::size_t>(param_bytes, 1)]);
  if (param_bytes > 0) std::memcpy(copy.get(), params, param_bytes);
  const Launch launch{kernel, launch_shape, copy.get(), param_bytes, &memory, &options};
  const int num_clusters = launch_shape.grid / launch_shape.cluster;
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int wanted = options.num_threads > 0 ? options.num_threads : cores;

  Report report;
  report.seed = options.seed;
  report.trace_hash = Random::mix(options.seed);
  Workers workers(launch, num_clusters);
  for (ClusterResult& result : workers.run(std::min(wanted, num_clusters))) {
    report.trace_hash = Random::mix(report.trace_hash ^ result.trace_hash);
    report.switches += result.switches;
    report.steps += result.steps;
    for (Finding& finding : result.findings) report.findings.push_back(std::move(finding));
  }
  return report;
}

}  // namespace fathom::emulator
