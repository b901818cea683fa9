// Times dense products on a GPU, ours and the vendor's alternately in one run. Benchmark layer.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fathom/gemm.hpp>

#include "gpu_clocks.hpp"
#include "published.hpp"

namespace fathom::bench {

/// What happens to the L2 cache before each timed call.
enum class Flush {
  kWrite,  ///< 256 MB are written: full of dirty lines, as the published tables have it
  kRead,   ///< 256 MB are read: full of clean lines, as between the layers of a decode step
  kNone,   ///< nothing: operands that fit stay in the cache
};

enum class Timer { kCupti, kEvent };

struct GpuBenchOptions {
  std::vector<DenseShape> shapes;
  std::vector<std::string> configs = {""};  ///< tags to force; "" = as planned
  int candidates = 0;  ///< more than 0: the planner's cheapest so many instead of `configs`
  GemmOptions gemm;    ///< common to all; config and backend are set per contender
  /// Memory that cuBLASLt may use: it decides which algorithms it offers. 1 MiB gives the times of
  /// the published tables, 32 MiB others (bench/journal.md).
  int vendor_workspace_mib = 1;
  bool vendor = true;  ///< cuBLASLt beside it, block-scaled and per-tensor
  int rounds = 3;
  int iterations = 20;  ///< timed calls per contender and round
  Flush flush = Flush::kWrite;
  Timer timer = Timer::kCupti;  ///< falls back to events when CUPTI cannot be loaded
  int rest_ms = 100;  ///< before each contender of a round: the card cools, the power cap relaxes
  std::uint64_t seed = 1;
  int device = 0;
};

/// What a benchmark ran on.
struct BenchConditions {
  std::string gpu;
  int num_sms = 0;
  std::string driver;      ///< its own version; empty where NVML does not tell
  int driver_version = 0;  ///< the newest CUDA it knows, as 13000
  std::string timer;       ///< "cupti" or "event"; "event" includes launch gaps
  std::string cublaslt;    ///< version, or why there is none
};

struct Contender {
  std::string name;                ///< "fathom", "cublaslt_block", "cublaslt_tensor"
  std::string config;              ///< ours: the tag that ran
  std::string error;               ///< why there is no time
  std::vector<double> round_us;    ///< median of each round
  double median_us = 0;            ///< of the rounds' medians
  double low_us = 0, high_us = 0;  ///< single calls, over all rounds
};

struct ShapeResult {
  DenseShape shape;
  std::vector<Contender> contenders;
  double sampled_error = 0;  ///< of our D against FP64, as a share of the tolerance, before timing
  GpuState before, after;
};

class GpuMachine;  // gpu_machine.hpp

/// Times options.shapes; calls `on_shape` after each, so that nothing measured waits for the end.
/// Throws Error when our result is wrong: a time of a wrong product is worth nothing.
void run_gpu_bench(GpuMachine& gpu, const std::function<void(const ShapeResult&)>& on_shape);

double median(std::vector<double> values);

}  // namespace fathom::bench
