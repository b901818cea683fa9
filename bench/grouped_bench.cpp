// See grouped_bench.hpp.
#include "grouped_bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cublaslt.hpp"
#include "gpu_problem.hpp"
#include "gpu_timer.hpp"
#include "grouped_problem.hpp"
#include "row_copies.hpp"
#include "vendor_libraries.hpp"

namespace fathom::bench {
namespace {

struct Runner {
  Contender result;
  Launch launch;  // empty when there is an error
  bool aligned = false;
  int block_m = 0;
  std::vector<double> all_us;
};

struct Machine {
  const Context& context;
  const GpuBenchOptions& options;
  const cuda::Device& device;
  GpuTimer timer;
  const RowCopies& copies;
};

/// pad + product from aligned starts + unpad, with memory of its own.
class PaddedProduct {
 public:
  PaddedProduct(const Machine& machine, const GroupedProblem& problem, const GemmOptions& gemm)
      : copies_(machine.copies), problem_(problem) {
    const GroupedShape& s = problem.shape();
    std::vector<std::int32_t> map;
    for (std::size_t g = 0; g < s.counts.size(); ++g)
      for (std::int64_t i = 0; i < s.counts[g]; ++i)
        map.push_back(
            static_cast<std::int32_t>(problem.row_of(static_cast<std::int64_t>(g), i, true)));
    const auto bytes = static_cast<std::int64_t>(map.size() * sizeof(std::int32_t));
    map_ = cuda::Buffer(machine.device, bytes);
    map_.upload(map.data(), bytes);
    a_ = cuda::Buffer(machine.device, problem.a().bytes());
    scale_a_ = cuda::Buffer(machine.device, problem.scale_a().bytes());
    d_ = cuda::Buffer(machine.device, problem.d().bytes());
    GemmOperands operands = problem.operands(true);
    operands.a.data = a_.data();
    operands.scale_a.data = scale_a_.data();
    operands.d.data = d_.data();
    plan_ = std::make_unique<GemmPlan>(plan_gemm(machine.context, operands, gemm));
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

Runner runner_of(const Machine& machine, const GroupedProblem& problem, const char* name,
                 const std::string& tag) {
  Runner runner;
  runner.result.name = name;
  runner.result.config = tag;
  runner.aligned = runner.result.name == "aligned";
  GemmOptions gemm = machine.options.gemm;
  gemm.backend = Backend::kCuda;
  gemm.config = tag;
  try {
    if (runner.result.name == "padded") {
      auto padded = std::make_shared<PaddedProduct>(machine, problem, gemm);
      runner.result.config = padded->plan().config();
      runner.block_m = block_m_of(padded->plan());
      runner.launch = [padded](void* on) { padded->launch(on); };
    } else {
      auto plan = std::make_shared<GemmPlan>(
          plan_gemm(machine.context, problem.operands(runner.aligned), gemm));
      runner.result.config = plan->config();
      runner.block_m = block_m_of(*plan);
      runner.launch = [plan](void* on) { plan->launch(on); };
    }
  } catch (const Error& error) {
    runner.result.error = error.what();
  }
  return runner;
}

std::vector<Runner> runners_of(const Machine& machine, const GroupedProblem& problem) {
  std::vector<Runner> list;
  for (const std::string& tag : machine.options.configs)
    list.push_back(runner_of(machine, problem, "fathom", tag));
  const GroupedShape& shape = problem.shape();
  // "On the same tiles": the config that was planned for the rows as they lie.
  if (shape.against_aligned)
    list.push_back(runner_of(machine, problem, "aligned", list.front().result.config));
  const std::int64_t valid = shape.valid_rows();
  if (shape.against_padding && rows_computed(shape, 128) * 4 > valid * 5)
    list.push_back(runner_of(machine, problem, "padded", ""));
  return list;
}

void check_results(const Machine& machine, GroupedProblem& problem, std::vector<Runner>& list,
                   GroupedResult& result) {
  for (Runner& runner : list) {
    if (!runner.launch) continue;
    problem.poison_d();
    runner.launch(machine.timer.stream.handle());
    machine.timer.stream.synchronize();
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

GroupedResult run_shape(const Machine& machine, const GroupedShape& shape,
                        const Launch& yardstick) {
  const GpuBenchOptions& options = machine.options;
  GroupedProblem problem(machine.device, shape, options.seed);
  GroupedResult result;
  result.shape = shape;
  std::vector<Runner> list = runners_of(machine, problem);
  check_results(machine, problem, list, result);
  result.before = read_gpu_state(options.device);
  std::vector<double> yardstick_us;
  const auto rest = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(options.rest_ms));
  };
  for (int round = 0; round < options.rounds; ++round) {
    if (yardstick && shape.deep_gemm_us > 0) {
      rest();
      yardstick_us.push_back(
          median(machine.timer.times(yardstick, options.iterations, "cublaslt_tensor")));
    }
    for (Runner& runner : list) {
      if (!runner.launch) continue;
      rest();
      const auto times = machine.timer.times(runner.launch, options.iterations, runner.result.name);
      runner.result.round_us.push_back(median(times));
      runner.all_us.insert(runner.all_us.end(), times.begin(), times.end());
    }
  }
  result.after = read_gpu_state(options.device);
  result.yardstick_us = median(yardstick_us);
  for (Runner& runner : list) {
    if (runner.launch) {
      runner.result.median_us = median(runner.result.round_us);
      const auto [low, high] = std::ranges::minmax(runner.all_us);
      runner.result.low_us = low;
      runner.result.high_us = high;
    }
    result.rows_computed.push_back(runner.block_m > 0 ? rows_computed(shape, runner.block_m) : 0);
    result.contenders.push_back(std::move(runner.result));
  }
  return result;
}

}  // namespace

GroupedBenchResult run_grouped_bench(const Context& context, const GpuBenchOptions& options,
                                     const std::vector<GroupedShape>& shapes) {
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
  const cuda::Stream stream(device);
  L2Flush flush(context, device, options.flush);
  const RowCopies copies(context, device);

  std::unique_ptr<GpuProblem> dense;
  const cuda::Buffer workspace(device, std::int64_t{options.vendor_workspace_mib} << 20);
  std::shared_ptr<CublasLt::Call> call;
  Launch yardstick;
  if (vendor != nullptr) {
    dense = std::make_unique<GpuProblem>(device, DenseShape{4096, 4096, 7168}, options.seed,
                                         /*plain=*/true);
    VendorProduct product{VendorScaling::kTensor, 4096, 4096, 7168};
    product.a = dense->plain_a().data();
    product.b = dense->plain_b().data();
    product.d = dense->d().data();
    product.scale_a = product.scale_b = dense->one().data();
    call = vendor->prepare(product, workspace.data(), workspace.bytes(), &why_no_vendor);
    if (call != nullptr) yardstick = [call](void* on) { call->launch(on); };
  }

  GroupedBenchResult result;
  result.gpu = device.info().name;
  result.num_sms = device.info().num_sms;
  result.driver_version = driver.version();
  result.timer = cupti != nullptr ? "cupti" : "event";
  result.cublaslt = yardstick ? vendor->version() : why_no_vendor;
  const Machine machine{context, options, device, {cupti.get(), device, stream, flush}, copies};
  for (const GroupedShape& shape : shapes) {
    result.shapes.push_back(run_shape(machine, shape, yardstick));
    if (options.progress)
      options.progress(static_cast<double>(result.shapes.size()) /
                       static_cast<double>(shapes.size()));
  }
  return result;
}

}  // namespace fathom::bench
