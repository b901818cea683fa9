// See grouped_bench.hpp.
#include "grouped_bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "gpu_machine.hpp"
#include "gpu_problem.hpp"
#include "grouped_problem.hpp"
#include "row_copies.hpp"

namespace fathom::bench {
namespace {

struct GroupedRunner : Runner {
  bool aligned = false;
  int block_m = 0;
};

struct Bench {
  GpuMachine& gpu;
  const RowCopies& copies;
};

/// pad + product from aligned starts + unpad, with memory of its own.
class PaddedProduct {
 public:
  PaddedProduct(const Bench& bench, const GroupedProblem& problem, const GemmOptions& gemm)
      : copies_(bench.copies), problem_(problem) {
    const GroupedShape& s = problem.shape();
    std::vector<std::int32_t> map;
    for (std::size_t g = 0; g < s.counts.size(); ++g)
      for (std::int64_t i = 0; i < s.counts[g]; ++i)
        map.push_back(
            static_cast<std::int32_t>(problem.row_of(static_cast<std::int64_t>(g), i, true)));
    const auto bytes = static_cast<std::int64_t>(map.size() * sizeof(std::int32_t));
    map_ = cuda::Buffer(bench.gpu.device(), bytes);
    map_.upload(map.data(), bytes);
    a_ = cuda::Buffer(bench.gpu.device(), problem.a().bytes());
    scale_a_ = cuda::Buffer(bench.gpu.device(), problem.scale_a().bytes());
    d_ = cuda::Buffer(bench.gpu.device(), problem.d().bytes());
    GemmOperands operands = problem.operands(true);
    operands.a.data = a_.data();
    operands.scale_a.data = scale_a_.data();
    operands.d.data = d_.data();
    plan_ = std::make_unique<GemmPlan>(plan_gemm(bench.gpu.context(), operands, gemm));
  }
  const GemmPlan& plan() const { return *plan_; }
  void launch(void* stream) const {
    const auto on = static_cast<cuda::abi::Stream>(stream);
    const GroupedShape& s = problem_.shape();
    const std::int64_t rows = s.valid_rows();
    copies_.scatter(problem_.a(), a_, map_, rows, s.k, on);
    copies_.scatter_scales(problem_.scale_a(), scale_a_, map_, rows, (s.k + 127) / 128,
                           problem_.scale_pitch(), on);
    plan_->launch(stream);
    copies_.gather(d_, problem_.d(), map_, rows, s.n * 2, on);
  }

 private:
  const RowCopies& copies_;
  const GroupedProblem& problem_;
  cuda::Buffer map_, a_, scale_a_, d_;
  std::unique_ptr<GemmPlan> plan_;
};

int block_m_of(const GemmPlan& plan) {
  return nlohmann::json::parse(plan.explain())["config"]["block_m"].get<int>();
}

/// Rows that the tiles of a product hold, foreign ones too.
std::int64_t rows_computed(const GroupedShape& shape, int block_m) {
  std::int64_t rows = 0;
  for (const std::int64_t count : shape.counts) rows += (count + block_m - 1) / block_m * block_m;
  return rows;
}

GroupedRunner runner_of(const Bench& bench, const GroupedProblem& problem, const char* name,
                        const std::string& tag) {
  GroupedRunner runner;
  runner.result.name = name;
  runner.result.config = tag;
  runner.aligned = runner.result.name == "aligned";
  GemmOptions gemm = bench.gpu.options().gemm;
  gemm.backend = Backend::kCuda;
  gemm.config = tag;
  try {
    if (runner.result.name == "padded") {
      auto padded = std::make_shared<PaddedProduct>(bench, problem, gemm);
      runner.result.config = padded->plan().config();
      runner.block_m = block_m_of(padded->plan());
      runner.launch = [padded](void* on) { padded->launch(on); };
    } else {
      auto plan = std::make_shared<GemmPlan>(
          plan_gemm(bench.gpu.context(), problem.operands(runner.aligned), gemm));
      runner.result.config = plan->config();
      runner.block_m = block_m_of(*plan);
      runner.launch = [plan](void* on) { plan->launch(on); };
    }
  } catch (const Error& error) {
    runner.result.error = error.what();
  }
  return runner;
}

std::vector<GroupedRunner> runners_of(const Bench& bench, const GroupedProblem& problem) {
  std::vector<GroupedRunner> list;
  for (const std::string& tag : bench.gpu.tags_for(problem.operands(false)))
    list.push_back(runner_of(bench, problem, "fathom", tag));
  const GroupedShape& shape = problem.shape();
  // "On the same tiles": the config that was planned for the rows as they lie.
  if (shape.against_aligned)
    list.push_back(runner_of(bench, problem, "aligned", list.front().result.config));
  const std::int64_t valid = shape.valid_rows();
  if (shape.against_padding && rows_computed(shape, 128) * 4 > valid * 5)
    list.push_back(runner_of(bench, problem, "padded", ""));
  return list;
}

void check_results(const Bench& bench, GroupedProblem& problem, std::vector<GroupedRunner>& list,
                   GroupedResult& result) {
  for (GroupedRunner& runner : list) {
    if (!runner.launch) continue;
    problem.poison_d();
    runner.launch(bench.gpu.stream().handle());
    bench.gpu.stream().synchronize();
    const double error = problem.worst_sampled_error(64, runner.aligned);
    result.sampled_error = std::max(result.sampled_error, error);
    if (error > 1.0)
      throw Error(ErrorCode::kInternal,
                  fmt::format("bench: {} by {} is wrong on {} n = {} k = {}: {} times the "
                              "tolerance; please report this",
                              runner.result.name, runner.result.config, problem.shape().name,
                              problem.shape().n, problem.shape().k, error));
  }
}

GroupedResult run_shape(const Bench& bench, const GroupedShape& shape, Runner yardstick) {
  const GpuBenchOptions& options = bench.gpu.options();
  GroupedProblem problem(bench.gpu.device(), shape, options.seed);
  GroupedResult result;
  result.shape = shape;
  std::vector<GroupedRunner> list = runners_of(bench, problem);
  check_results(bench, problem, list, result);
  result.before = read_gpu_state(options.device);
  for (int round = 0; round < options.rounds; ++round) {
    if (shape.deep_gemm_us > 0) yardstick.run_round(bench.gpu);
    for (GroupedRunner& runner : list) runner.run_round(bench.gpu);
  }
  result.after = read_gpu_state(options.device);
  result.yardstick_us = yardstick.finished().median_us;
  for (const GroupedRunner& runner : list) {
    result.rows_computed.push_back(runner.block_m > 0 ? rows_computed(shape, runner.block_m) : 0);
    result.contenders.push_back(runner.finished());
  }
  return result;
}

}  // namespace

void run_grouped_bench(GpuMachine& gpu, const std::vector<GroupedShape>& shapes,
                       const std::function<void(const GroupedResult&)>& on_shape) {
  const RowCopies copies(gpu.context(), gpu.device());
  std::unique_ptr<GpuProblem> dense;  // the yardstick's
  Runner yardstick;
  yardstick.result.name = "cublaslt_tensor";
  if (gpu.has_vendor()) {
    dense = std::make_unique<GpuProblem>(gpu.device(), DenseShape{4096, 4096, 7168},
                                         gpu.options().seed, /*plain=*/true);
    VendorProduct product{VendorScaling::kTensor, 4096, 4096, 7168};
    product.a = dense->plain_a().data();
    product.b = dense->plain_b().data();
    product.d = dense->d().data();
    product.scale_a = product.scale_b = dense->one().data();
    yardstick.launch = gpu.vendor_call(product, &yardstick.result.error);
  }
  const Bench bench{gpu, copies};
  for (const GroupedShape& shape : shapes) on_shape(run_shape(bench, shape, yardstick));
}

}  // namespace fathom::bench
