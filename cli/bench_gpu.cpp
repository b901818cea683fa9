// See bench_gpu.hpp.
#include "bench_gpu.hpp"

#include <fmt/format.h>

#include "bench/gpu_machine.hpp"
#include "bench_gpu_json.hpp"
#include "bench_report.hpp"
#include "help.hpp"
#include "plan/gemm_configs.hpp"

namespace fathom::cli {
namespace {

using bench::Contender;
using bench::ShapeResult;

bench::Flush flush_of(const std::string& word) {
  return word == "read"   ? bench::Flush::kRead
         : word == "none" ? bench::Flush::kNone
                          : bench::Flush::kWrite;
}

Json state_json(const bench::GpuState& state) {
  if (!state.known) return nullptr;
  return Json{{"sm_mhz", state.sm_mhz},
              {"memory_mhz", state.memory_mhz},
              {"power_watts", state.power_watts},
              {"temperature_c", state.temperature_c}};
}

double flops_of(const bench::DenseShape& s) {
  return 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
}

/// Operands and D, once each.
double bytes_of(const bench::DenseShape& s) {
  const auto m = static_cast<double>(s.m), n = static_cast<double>(s.n),
             k = static_cast<double>(s.k);
  return m * k + n * k + 2 * m * n + 4 * m * k / 128 + 4 * n * k / 128 / 128;
}

const Contender* find(const ShapeResult& result, const std::string& name) {
  for (const Contender& contender : result.contenders)
    if (contender.name == name && contender.error.empty()) return &contender;
  return nullptr;
}

/// One entry of results[]: the fields of the CPU benchmark, so that bench compare reads both.
Json result_json(const ShapeResult& shape, const Contender& ours,
                 const bench::GpuBenchOptions& options, const std::string& timer) {
  const bench::DenseShape& s = shape.shape;
  Json json;
  json["m"] = s.m;
  json["n"] = s.n;
  json["k"] = s.k;
  json["layout"] = "dense";
  json["groups"] = 1;
  json["out_dtype"] = "bf16";
  json["scale_b"] = "128x128";
  json["backend"] = "cuda";
  put_config(json, ours, options);
  json["clock"] = timer;
  if (!ours.error.empty()) {
    json["error"] = ours.error;
    return json;
  }
  put_times(json, ours, flops_of(s), bytes_of(s));
  json["sampled_error"] = shape.sampled_error;
  for (const char* name : {"cublaslt_block", "cublaslt_tensor"}) {
    for (const Contender& other : shape.contenders) {
      if (other.name != name) continue;
      json[name] = other.error.empty() ? Json{{"median_us", other.median_us},
                                              {"round_us", other.round_us},
                                              {"ratio", other.median_us / ours.median_us}}
                                       : Json{{"error", other.error}};
    }
  }
  if (const Contender* tensor = find(shape, "cublaslt_tensor")) {
    if (const auto score = bench::score(s, ours.median_us, tensor->median_us))
      json["score"] = *score;
  }
  if (const auto floor = bench::stream_floor_us(s)) json["floor_us"] = *floor;
  if (const auto h800 = bench::published_h800_tflops(s)) json["h800_2025_tflops"] = *h800;
  json["before"] = state_json(shape.before);
  json["after"] = state_json(shape.after);
  return json;
}

std::vector<std::string> all_tags() {
  std::vector<std::string> tags;
  for (const plan::GemmConfig& config : plan::gemm_configs())
    tags.push_back(plan::gemm_tag(config));
  return tags;
}

std::string row_text(const Json& json) {
  const std::string shape =
      fmt::format("{} x {} x {}", json["m"].get<std::int64_t>(), json["n"].get<std::int64_t>(),
                  json["k"].get<std::int64_t>());
  if (json.contains("error"))
    return fmt::format("{:<20} {}: {}\n", shape, json["config"].get<std::string>(),
                       json["error"].get<std::string>());
  return fmt::format("{:<20} {:>9} {:>7} {:>7} {:>9} {:>6} {:>9} {:>6} {:>6}  {}\n", shape,
                     number(json, "median_us", nullptr, "{:.2f}"),
                     number(json, "tflops", nullptr, "{:.0f}"),
                     number(json, "gb_per_s", nullptr, "{:.0f}"),
                     number(json, "cublaslt_block", "median_us", "{:.2f}"),
                     number(json, "cublaslt_block", "ratio", "{:.3f}"),
                     number(json, "cublaslt_tensor", "median_us", "{:.2f}"),
                     number(json, "cublaslt_tensor", "ratio", "{:.3f}"),
                     number(json, "score", nullptr, "{:.3f}"), json["config"].get<std::string>());
}

constexpr char kHeading[] =
    "m x n x k                   us  TFLOPS    GB/s  block us  ratio tensor us  ratio  score  "
    "config\n";

/// --configs all: those that cannot compute a shape are left out of its rows.
bool asks_for_all(const GpuBenchFlags& flags) {
  return flags.configs == std::vector<std::string>{"all"};
}

}  // namespace

void add_gpu_bench_flags(CLI::App& verb, GpuBenchFlags& flags) {
  verb.option_defaults()->group(kGpuGroup);
  add_choice(verb, "--suite", flags.suite,
             {"decode", "prefill", "published", "contiguous", "masked", "masked_decode", "routing",
              "unaligned"},
             "The six layers of DeepSeek-V3 at m = 1 to 128, at m = 4096, or both; grouped "
             "products: the published rows, routing as in real models, groups from any row");
  add_choice(verb, "--flush", flags.flush, {"write", "read", "none"},
             "What fills the L2 cache before each call");
  add_choice(verb, "--timer", flags.timer, {"cupti", "event"},
             "Kernel time by CUPTI, or event time, which includes launch gaps");
  verb.add_option("--configs", flags.configs,
                  "Time these configs instead of the planned one; all = every one that can "
                  "compute the shape, what the planner's model is fitted to")
      ->type_name("TAG,...")
      ->delimiter(',')
      ->excludes("--config");
  verb.add_option("--candidates", flags.candidates,
                  "Time the planner's cheapest so many instead, the planned one first: what "
                  "its choice costs on a shape")
      ->type_name("COUNT")
      ->check(whole_number(1, 200))
      ->excludes("--configs")
      ->excludes("--config");
  verb.add_option("--rounds", flags.rounds, "Rounds of alternating contenders")
      ->type_name("COUNT")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  verb.add_option("--rest", flags.rest_ms,
                  "Pause before each contender of a round, so that the power cap relaxes")
      ->type_name("MS")
      ->check(whole_number(0, 10000))
      ->capture_default_str();
  verb.add_option("--sms", flags.sms, "Use at most so many multiprocessors; 0 = all")
      ->type_name("COUNT")
      ->check(whole_number(0, 1024))
      ->capture_default_str();
  verb.add_option("--vendor-workspace", flags.vendor_workspace_mib,
                  "Memory that cuBLASLt may use; it decides which algorithms it offers")
      ->type_name("MIB")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  verb.add_flag("--no-vendor", flags.no_vendor, "Do not time cuBLASLt beside it");
  verb.option_defaults()->group("Options");
}

std::vector<bench::DenseShape> suite_shapes(const GpuBenchFlags& flags) {
  std::vector<std::int64_t> rows;
  if (flags.suite == "decode" || flags.suite == "published") rows = {1, 8, 16, 32, 64, 128};
  if (flags.suite == "prefill" || flags.suite == "published") rows.push_back(4096);
  std::vector<bench::DenseShape> shapes;
  for (const std::int64_t m : rows)
    for (const bench::DenseShape& layer : bench::layer_shapes())
      shapes.push_back({m, layer.n, layer.k});
  return shapes;
}

bench::GpuBenchOptions gpu_bench_options(const GpuBenchFlags& flags, const GpuBenchRequest& request,
                                         const CommonFlags& common) {
  bench::GpuBenchOptions options;
  options.shapes = request.shapes;
  if (!flags.configs.empty()) options.configs = asks_for_all(flags) ? all_tags() : flags.configs;
  options.candidates = flags.candidates;
  options.gemm.batch_invariant = flags.batch_invariant;
  options.gemm.max_sms = flags.sms;
  options.vendor = !flags.no_vendor;
  options.vendor_workspace_mib = flags.vendor_workspace_mib;
  options.rounds = flags.rounds;
  options.rest_ms = flags.rest_ms;
  if (request.iterations > 0) options.iterations = request.iterations;
  options.flush = flush_of(flags.flush);
  options.timer = flags.timer == "event" ? bench::Timer::kEvent : bench::Timer::kCupti;
  options.seed = common.seed;
  return options;
}

Report bench_on_gpu(const Context& context, const GpuBenchFlags& flags,
                    const GpuBenchRequest& request, const CommonFlags& common) {
  const bench::GpuBenchOptions options = gpu_bench_options(flags, request, common);
  BenchReport report(common, request.output, static_cast<std::int64_t>(options.shapes.size()));
  bench::GpuMachine gpu(context, options);
  const Json conditions = conditions_json(gpu.conditions(), options, flags.flush);
  report.begin(conditions, conditions_text(conditions) + "\n" + kHeading);
  bench::run_gpu_bench(gpu, [&](const ShapeResult& shape) {
    for (const Contender& ours : shape.contenders) {
      if (ours.name != "fathom" || (asks_for_all(flags) && !ours.error.empty())) continue;
      const Json row = result_json(shape, ours, options, gpu.conditions().timer);
      report.add(row, row_text(row));
    }
    report.advance();
  });
  report.add_mean("cublaslt_block", "ratio");
  report.add_mean("cublaslt_tensor", "ratio");
  report.add_mean("score");
  return report.finish();
}

}  // namespace fathom::cli
