// See gpu_machine.hpp.
#include "gpu_machine.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "vendor_libraries.hpp"

namespace fathom::bench {
namespace {

const cuda::Device& hopper(const cuda::Driver& driver, int index) {
  const cuda::Device& device = driver.device(index);
  device.require_hopper();
  return device;
}

}  // namespace

GpuMachine::GpuMachine(const Context& context, const GpuBenchOptions& options)
    : context_(context),
      options_(options),
      cupti_(options.timer == Timer::kCupti ? Cupti::load(cupti_files(), &why_no_cupti_) : nullptr),
      driver_(cuda::Driver::load(context.options().libcuda)),
      device_(hopper(driver_, options.device)),
      guard_(device_),
      vendor_(options.vendor ? CublasLt::load(cublaslt_files(), &why_no_vendor_) : nullptr),
      stream_(device_),
      flush_(context, device_, options.flush),
      workspace_(device_, std::int64_t{options.vendor_workspace_mib} << 20),
      conditions_{.gpu = device_.info().name,
                  .num_sms = device_.info().num_sms,
                  .driver = read_gpu_state(options.device).driver,
                  .driver_version = driver_.version(),
                  .timer = cupti_ != nullptr ? "cupti" : "event",
                  .cublaslt = vendor_ != nullptr ? vendor_->version() : why_no_vendor_} {}

Launch GpuMachine::vendor_call(const VendorProduct& product, std::string* why_not) {
  if (vendor_ == nullptr) {
    *why_not = why_no_vendor_;
    return nullptr;
  }
  const std::shared_ptr<CublasLt::Call> call =
      vendor_->prepare(product, workspace_.data(), workspace_.bytes(), why_not);
  if (call == nullptr) return nullptr;
  return [call](void* on) { call->launch(on); };
}

std::vector<std::string> GpuMachine::tags_for(const GemmOperands& operands) const {
  if (options_.candidates == 0) return options_.configs;
  GemmOptions gemm = options_.gemm;
  gemm.backend = Backend::kCuda;
  const auto plan = nlohmann::json::parse(plan_gemm(context_, operands, gemm).explain());
  std::vector<std::string> tags;
  for (const auto& candidate : plan.at("candidates")) {
    if (tags.size() == static_cast<std::size_t>(options_.candidates)) break;
    tags.push_back(candidate.at("tag"));
  }
  return tags;
}

void Runner::run_round(GpuMachine& gpu) {
  if (!launch) return;
  std::this_thread::sleep_for(std::chrono::milliseconds(gpu.options().rest_ms));
  const std::vector<double> times =
      gpu.timer().times(launch, gpu.options().iterations, result.name);
  result.round_us.push_back(median(times));
  all_us.insert(all_us.end(), times.begin(), times.end());
}

Contender Runner::finished() const {
  Contender contender = result;
  if (all_us.empty()) return contender;
  contender.median_us = median(contender.round_us);
  const auto [low, high] = std::ranges::minmax(all_us);
  contender.low_us = low;
  contender.high_us = high;
  return contender;
}

}  // namespace fathom::bench
