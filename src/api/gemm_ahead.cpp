// What can be said of a gemm before its first call, for a GPU that need not be here. Front end.
#include <fmt/format.h>

#include <fathom/gemm.hpp>

#include "api/cuda_runtime.hpp"
#include "api/gemm_check.hpp"
#include "api/gemm_cuda.hpp"
#include "api/gemm_explain.hpp"
#include "cuda/device.hpp"
#include "plan/gemm_planner.hpp"
#include "plan/gemm_range.hpp"

namespace fathom {
namespace {

plan::DeviceSpec named_device(const char* function, const std::string& name) {
  if (const std::optional<plan::DeviceSpec> device = plan::find_device(name)) return *device;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: device is \"{}\"; known are {}",
                                                       function, name, plan::known_device_names()));
}

/// The Hopper GPU of this machine, else an H200.
plan::DeviceSpec device_here(const Context& context) {
  try {
    const cuda::Driver& driver = cuda::Driver::load(context.options().libcuda);
    if (driver.device_count() > 0) {
      const cuda::Device& device = driver.device(0);
      device.require_hopper();
      return api::device_spec(device.info());
    }
  } catch (const Error&) {
    // No driver, or another GPU: kernels are built for somewhere else.
  }
  return plan::DeviceSpec{};
}

/// A plan without operands in the form that api::explain_gemm takes.
class UnboundGemm final : public api::BoundGemm {
 public:
  explicit UnboundGemm(const plan::GemmPlan& plan)
      : tag_(plan::gemm_tag(plan.config)), json_(plan::plan_json(plan)) {}
  void launch(void*) const override {}
  const std::string& config() const override { return tag_; }
  std::string plan_json() const override { return json_; }

 private:
  std::string tag_, json_;
};

}  // namespace

std::string api::explain_gemm(const plan::GemmProblem& problem, const plan::DeviceSpec& device) {
  return explain_gemm(problem, Backend::kCuda, UnboundGemm(plan::plan_gemm(problem, device)));
}

std::string explain_gemm(const GemmOperands& operands, const GemmOptions& options,
                         const std::string& device) {
  const plan::DeviceSpec spec = named_device("explain_gemm", device);
  return api::explain_gemm(api::check_gemm(operands, options), spec);
}

std::vector<std::string> gemm_configs(const Context& context, const GemmRange& range) {
  const plan::DeviceSpec device =
      range.device.empty() ? device_here(context) : named_device("gemm_configs", range.device);
  std::vector<std::string> tags;
  for (const plan::GemmConfig& config : plan::configs_for(range, device))
    tags.push_back(plan::gemm_tag(config));
  return tags;
}

}  // namespace fathom
