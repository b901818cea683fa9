// See gpu_bench.hpp.
#include "gpu_bench.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gpu_machine.hpp"
#include "gpu_problem.hpp"

namespace fathom::bench {
namespace {

Runner planned(const GpuMachine& gpu, const GpuProblem& problem, const std::string& tag) {
  GemmOptions gemm = gpu.options().gemm;
  gemm.backend = Backend::kCuda;
  gemm.config = tag;
  Runner runner;
  runner.result.name = "fathom";
  runner.result.config = tag;
  try {
    auto plan = std::make_shared<GemmPlan>(plan_gemm(gpu.context(), problem.operands(), gemm));
    runner.result.config = plan->config();
    runner.launch = [plan](void* on) { plan->launch(on); };
  } catch (const Error& error) {
    runner.result.error = error.what();
  }
  return runner;
}

Runner vendors(GpuMachine& gpu, const GpuProblem& problem, VendorScaling scaling) {
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
  if (block && problem.scale_a_pitch() != shape.m)
    runner.result.error =
        "cuBLASLt asks for scales of A without padding: m must be a multiple of 4";
  else
    runner.launch = gpu.vendor_call(product, &runner.result.error);
  return runner;
}

std::vector<Runner> runners_of(GpuMachine& gpu, const GpuProblem& problem) {
  std::vector<Runner> list;
  for (const std::string& tag : gpu.tags_for(problem.operands()))
    list.push_back(planned(gpu, problem, tag));
  if (gpu.has_vendor())
    for (const VendorScaling scaling : {VendorScaling::kBlock, VendorScaling::kTensor})
      list.push_back(vendors(gpu, problem, scaling));
  return list;
}

ShapeResult run_shape(GpuMachine& gpu, const DenseShape& shape) {
  const GpuBenchOptions& options = gpu.options();
  GpuProblem problem(gpu.device(), shape, options.seed, gpu.has_vendor());
  ShapeResult result;
  result.shape = shape;
  std::vector<Runner> list = runners_of(gpu, problem);
  for (Runner& runner : list) {
    if (!runner.launch) continue;
    problem.poison_d();
    runner.launch(gpu.stream().handle());
    gpu.stream().synchronize();
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
  for (int round = 0; round < options.rounds; ++round)
    for (Runner& runner : list) runner.run_round(gpu);
  result.after = read_gpu_state(options.device);
  for (const Runner& runner : list) result.contenders.push_back(runner.finished());
  return result;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void run_gpu_bench(GpuMachine& gpu, const std::function<void(const ShapeResult&)>& on_shape) {
  for (const DenseShape& shape : gpu.options().shapes) on_shape(run_shape(gpu, shape));
}

}  // namespace fathom::bench
