// See gpu_bench.hpp.
#include "gpu_bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cublaslt.hpp"
#include "cuda/driver.hpp"
#include "cuda/memory.hpp"
#include "cupti.hpp"
#include "gpu_problem.hpp"
#include "gpu_timer.hpp"
#include "l2_flush.hpp"
#include "vendor_libraries.hpp"

namespace fathom::bench {
namespace {

/// Something that can be timed: a name and a launch.
struct Runner {
  Contender result;
  std::function<void(void*)> launch;  // empty when there is an error
  std::vector<double> all_us;
};

struct Bench {
  const Context& context;
  const GpuBenchOptions& options;
  const cuda::Device& device;
  Cupti* cupti;
  CublasLt* vendor;
  cuda::Stream stream;
  L2Flush flush;
  cuda::Buffer workspace;

  std::vector<Runner> runners(const GpuProblem& problem);
  void add_vendor(std::vector<Runner>& runners, const GpuProblem& problem, VendorScaling scaling);
  ShapeResult run(const DenseShape& shape);
};

std::vector<Runner> Bench::runners(const GpuProblem& problem) {
  std::vector<Runner> list;
  for (const std::string& tag : options.configs) {
    GemmOptions gemm = options.gemm;
    gemm.backend = Backend::kCuda;
    gemm.config = tag;
    Runner runner;
    runner.result.name = "fathom";
    runner.result.config = tag;
    try {
      auto plan = std::make_shared<GemmPlan>(plan_gemm(context, problem.operands(), gemm));
      runner.result.config = plan->config();
      runner.launch = [plan](void* on) { plan->launch(on); };
    } catch (const Error& error) {
      runner.result.error = error.what();
    }
    list.push_back(std::move(runner));
  }
  if (vendor != nullptr) {
    add_vendor(list, problem, VendorScaling::kBlock);
    add_vendor(list, problem, VendorScaling::kTensor);
  }
  return list;
}

void Bench::add_vendor(std::vector<Runner>& list, const GpuProblem& problem,
                       VendorScaling scaling) {
  const bool block = scaling == VendorScaling::kBlock;
  const DenseShape& shape = problem.shape();
  VendorProduct product{scaling, shape.m, shape.n, shape.k};
  product.a = (block ? problem.a() : problem.plain_a()).data();
  product.b = (block ? problem.b() : problem.plain_b()).data();
  product.d = problem.d().data();
  product.scale_a = (block ? problem.scale_a() : problem.one()).data();
  product.scale_b = (block ? problem.scale_b() : problem.one()).data();
  Runner runner;
  runner.result.name = block ? "cublaslt_block" : "cublaslt_tensor";
  if (block && problem.scale_a_pitch() != shape.m) {
    runner.result.error =
        "cuBLASLt asks for scales of A without padding: m must be a multiple of 4";
  } else {
    std::shared_ptr<CublasLt::Call> call =
        vendor->prepare(product, workspace.data(), workspace.bytes(), &runner.result.error);
    if (call != nullptr) runner.launch = [call](void* on) { call->launch(on); };
  }
  list.push_back(std::move(runner));
}

ShapeResult Bench::run(const DenseShape& shape) {
  GpuProblem problem(device, shape, options.seed, vendor != nullptr);
  ShapeResult result;
  result.shape = shape;
  std::vector<Runner> list = runners(problem);
  for (Runner& runner : list) {
    if (!runner.launch) continue;
    problem.poison_d();
    runner.launch(stream.handle());
    stream.synchronize();
    if (runner.result.name != "fathom") continue;
    const double error = problem.worst_sampled_error();
    result.sampled_error = std::max(result.sampled_error, error);
    if (error > 1.0)
      throw Error(ErrorCode::kInternal,
                  fmt::format("bench: config {} is wrong at m = {}, n = {}, k = {}: {} times the "
                              "tolerance; please report this",
                              runner.result.config, shape.m, shape.n, shape.k, error));
  }
  result.before = read_gpu_state(options.device);
  for (int round = 0; round < options.rounds; ++round) {
    for (Runner& runner : list) {
      if (!runner.launch) continue;
      std::this_thread::sleep_for(std::chrono::milliseconds(options.rest_ms));
      const std::vector<double> times = GpuTimer{cupti, device, stream, flush}.times(
          runner.launch, options.iterations, runner.result.name);
      runner.result.round_us.push_back(median(times));
      runner.all_us.insert(runner.all_us.end(), times.begin(), times.end());
    }
  }
  result.after = read_gpu_state(options.device);
  for (Runner& runner : list) {
    if (runner.launch) {
      runner.result.median_us = median(runner.result.round_us);
      const auto [low, high] = std::ranges::minmax(runner.all_us);
      runner.result.low_us = low;
      runner.result.high_us = high;
    }
    result.contenders.push_back(std::move(runner.result));
  }
  return result;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

GpuBenchResult run_gpu_bench(const Context& context, const GpuBenchOptions& options) {
  std::string why_no_cupti, why_no_vendor;
  // As early as possible: CUPTI does best when it is loaded before contexts are made.
  std::unique_ptr<Cupti> cupti;
  if (options.timer == Timer::kCupti) cupti = Cupti::load(cupti_files(), &why_no_cupti);
  const cuda::Driver& driver = cuda::Driver::load(context.options().libcuda);
  const cuda::Device& device = driver.device(options.device);
  device.require_hopper();
  const cuda::ContextGuard guard(device);
  std::unique_ptr<CublasLt> vendor;
  if (options.vendor) vendor = CublasLt::load(cublaslt_files(), &why_no_vendor);

  GpuBenchResult result;
  result.gpu = device.info().name;
  result.num_sms = device.info().num_sms;
  result.driver_version = driver.version();
  result.timer = cupti != nullptr ? "cupti" : "event";
  result.cublaslt = vendor != nullptr ? vendor->version() : why_no_vendor;
  Bench bench{context,
              options,
              device,
              cupti.get(),
              vendor.get(),
              cuda::Stream(device),
              L2Flush(context, device, options.flush),
              cuda::Buffer(device, std::int64_t{options.vendor_workspace_mib} << 20)};
  for (const DenseShape& shape : options.shapes) {
    result.shapes.push_back(bench.run(shape));
    if (options.progress)
      options.progress(static_cast<double>(result.shapes.size()) /
                       static_cast<double>(options.shapes.size()));
  }
  return result;
}

}  // namespace fathom::bench
