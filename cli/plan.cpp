// fathom plan: what would run for a problem, and why. Command-line layer; computes nothing.
#include <fmt/format.h>

#include <fathom/gemm.hpp>
#include <memory>

#include "api/gemm_check.hpp"
#include "api/gemm_cuda.hpp"
#include "api/gemm_explain.hpp"
#include "backend.hpp"
#include "cuda/device.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "plan/gemm_planner.hpp"
#include "problem_flags.hpp"
#include "problem_views.hpp"

namespace fathom::cli {
namespace {

struct PlanFlags {
  ProblemFlags problem;
  std::optional<std::int64_t> m, n, k;
  std::int64_t num_groups = 1;
  std::int64_t expected_m = 0;
  std::string device = "here";
  std::optional<std::int64_t> sms;
};

GemmOperands views_of(const PlanFlags& flags) {
  ProblemSize size;
  size.m = required_extent(flags.m, "--m");
  size.n = required_extent(flags.n, "--n", 1);
  size.k = required_extent(flags.k, "--k");
  size.num_groups = required_extent(flags.num_groups, "--num-groups", 1);
  size.expected_m = flags.expected_m;
  return problem_views(flags.problem, size);
}

Report plan_for(const plan::DeviceSpec& device, const PlanFlags& flags) {
  const plan::GemmProblem problem =
      api::check_gemm(views_of(flags), options_of(flags.problem, flags.sms));
  Json json = new_object();
  json["device"] = {{"name", device.name}, {"sms", device.num_sms}};
  json.update(Json::parse(api::explain_gemm(problem, device)));
  return make_report(
      json, fmt::format("{} on {} ({} SMs)\n\n{}", flags.problem.op, device.name, device.num_sms,
                        plan::plan_table(plan::plan_gemm(problem, device))));
}

Report plan_on_cpu(const Context& context, Backend backend, const PlanFlags& flags) {
  GemmOptions options = options_of(flags.problem, flags.sms);
  options.backend = backend;
  const GemmPlan plan = plan_gemm(context, views_of(flags), options);
  const Json explained = Json::parse(plan.explain());
  Json json = new_object();
  json.update(explained);
  for (const char* field : {"launch", "candidates"}) {
    if (!json.contains(field))
      json[field] = field == std::string("launch") ? Json::object() : Json::array();
  }
  return make_report(
      json, fmt::format("{} on {}\n\n{}: {}\n", flags.problem.op, to_string(plan.backend()),
                        plan.config(), explained.at("why").get<std::string>()));
}

/// As `fathom verify` runs it: on the GPU where there is one, or the emulator.
Report plan_here(const PlanFlags& flags, const CommonFlags& common) {
  const Context context = make_context(common);
  const Backend backend = chosen_backend(common, context);
  const bool may_use_gpu = backend == Backend::kAuto || backend == Backend::kCuda;
  if (const cuda::Device* gpu = may_use_gpu ? hopper_device(context) : nullptr) {
    try {
      return plan_for(api::device_spec(gpu->info()), flags);
    } catch (const Error& error) {
      if (backend == Backend::kCuda) throw;
      fmt::print(stderr, "fathom: the cpu computes: {}\n", error.what());
    }
  }
  return plan_on_cpu(context, backend, flags);
}

/// The name of a known device, or "here". An SM count without a device is one of an H200's.
std::string device_of(const PlanFlags& flags, const CommonFlags& common) {
  std::string device = flags.device == "here" && flags.sms ? "h200" : flags.device;
  if (device != "here" && common.backend != "auto" && common.backend != "cuda") {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("plan: --device and --sms are for a GPU, and --backend is {}; leave "
                            "one or the other out",
                            common.backend));
  }
  return device;
}

}  // namespace

Action add_plan(CLI::App& verb) {
  auto flags = std::make_shared<PlanFlags>();
  add_problem_flags(verb, flags->problem);
  add_extents(verb, "Rows of a and d (masked: of each group)", flags->m, flags->n, flags->k);
  verb.add_option("--num-groups", flags->num_groups, "Groups of a layout other than dense")
      ->type_name("G")
      ->check(whole_number(1))
      ->capture_default_str();
  add_expected_m(verb, flags->expected_m);
  std::vector<std::string> devices = {"here"};
  for (const plan::DeviceSpec& device : plan::known_devices()) devices.push_back(device.name);
  add_choice(verb, "--device", flags->device, devices,
             "The GPU to plan for; here: what this machine would run, but with --sms an h200");
  add_sms(verb, flags->sms);
  verb.footer(
      "The same flags give the same text every time. A device need not be in this machine.\n"
      "Examples:\n"
      "  fathom plan --op gemm --m 64 --n 7168 --k 2048\n"
      "  fathom plan --op gemm --m 64 --n 2112 --k 7168 --device h200 --sms 78\n"
      "  fathom plan --op gemm --m 8192 --n 4096 --k 7168 --layout row_group --num-groups 4 "
      "--json\n"
      "  fathom plan --op gemm --m 256 --n 4096 --k 7168 --layout masked --num-groups 32 "
      "--expected-m 20 --device h200\n");
  return [flags](const CommonFlags& common) {
    const std::string device = device_of(*flags, common);
    return device == "here" ? plan_here(*flags, common)
                            : plan_for(plan::find_device(device).value(), *flags);
  };
}

}  // namespace fathom::cli
