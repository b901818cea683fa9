// See bench_gpu.hpp.
#include "bench_gpu.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "bench/gpu_bench.hpp"
#include "bench_row.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "output_file.hpp"
#include "plan/gemm_configs.hpp"
#include "progress.hpp"

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
Json result_json(const ShapeResult& shape, const Contender& ours, const std::string& timer) {
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
  json["config"] = ours.config;
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

/// Geometric mean of a number over the results that have it.
std::optional<double> geometric_mean(const Json& results, const char* name, const char* field) {
  double sum = 0;
  int count = 0;
  for (const Json& result : results) {
    if (!result.contains(name)) continue;
    const Json& value = field == nullptr ? result[name] : result[name].value(field, Json());
    if (!value.is_number()) continue;
    sum += std::log(value.get<double>());
    ++count;
  }
  if (count == 0) return std::nullopt;
  return std::exp(sum / count);
}

/// --configs all: those that cannot compute a shape are left out of its rows.
bool asks_for_all(const GpuBenchFlags& flags) {
  return flags.configs == std::vector<std::string>{"all"};
}

}  // namespace

void add_gpu_bench_flags(CLI::App& verb, GpuBenchFlags& flags) {
  add_choice(verb, "--suite", flags.suite,
             {"decode", "prefill", "published", "contiguous", "masked", "masked_decode", "routing",
              "unaligned"},
             "GPU: the six layers of DeepSeek-V3 at m = 1 to 128, at m = 4096, or both; grouped "
             "products: the published rows, routing as in real models, groups from any row");
  add_choice(verb, "--flush", flags.flush, {"write", "read", "none"},
             "GPU: what fills the L2 cache before each call");
  add_choice(verb, "--timer", flags.timer, {"cupti", "event"},
             "GPU: kernel time by CUPTI, or event time, which includes launch gaps");
  verb.add_option("--configs", flags.configs,
                  "GPU: time these configs instead of the planned one; all = every one that can "
                  "compute the shape, what the planner's model is fitted to")
      ->type_name("TAG,...")
      ->delimiter(',');
  verb.add_option("--rounds", flags.rounds, "GPU: rounds of alternating contenders")
      ->type_name("COUNT")
      ->check(check_int64)
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  verb.add_option("--rest", flags.rest_ms,
                  "GPU: pause before each contender of a round, so that the power cap relaxes")
      ->type_name("MS")
      ->check(check_int64)
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  verb.add_option("--sms", flags.sms, "GPU: use at most so many multiprocessors; 0 = all")
      ->type_name("COUNT")
      ->check(check_int64)
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  verb.add_option("--vendor-workspace", flags.vendor_workspace_mib,
                  "GPU: memory that cuBLASLt may use; it decides which algorithms it offers")
      ->type_name("MIB")
      ->check(check_int64)
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb.add_flag("--no-vendor", flags.no_vendor, "GPU: do not time cuBLASLt beside it");
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
  std::optional<OutputFile> output;
  if (!request.output.empty()) output.emplace(request.output);

  bench::GpuBenchOptions options = gpu_bench_options(flags, request, common);
  const bool all_configs = asks_for_all(flags);
  Progress progress("measuring", static_cast<std::int64_t>(options.shapes.size()));
  options.progress = [&](double) { progress.advance(1); };
  const bench::GpuBenchResult result = bench::run_gpu_bench(context, options);

  Json json = new_object();
  json["version"] = version();
  json["commit"] = commit();
  json["command"] = common.command_line;
  json["gpu"] = Json{{"name", result.gpu}, {"sms", result.num_sms}};
  json["driver"] = result.shapes.empty() ? "" : result.shapes.front().before.driver;
  json["driver_cuda"] = result.driver_version;
  json["timer"] = result.timer == "cupti" ? "kernel time (CUPTI)" : "event time";
  json["flush"] = flags.flush;
  json["cublaslt"] = result.cublaslt;
  json["cublaslt_workspace_mib"] = options.vendor_workspace_mib;
  json["rounds"] = options.rounds;
  json["iterations"] = options.iterations;
  json["seed"] = common.seed;
  json["results"] = Json::array();
  std::string text = fmt::format("{}, {}, cuBLASLt {}, L2 flush: {}; medians of {} rounds\n{}",
                                 result.gpu, json["timer"].get<std::string>(), result.cublaslt,
                                 flags.flush, options.rounds, kHeading);
  for (const ShapeResult& shape : result.shapes) {
    for (const Contender& ours : shape.contenders) {
      if (ours.name != "fathom" || (all_configs && !ours.error.empty())) continue;
      json["results"].push_back(result_json(shape, ours, result.timer));
      text += row_text(json["results"].back());
    }
  }
  Json means;
  for (const char* name : {"cublaslt_block", "cublaslt_tensor"})
    if (const auto mean = geometric_mean(json["results"], name, "ratio")) means[name] = *mean;
  if (const auto mean = geometric_mean(json["results"], "score", nullptr)) means["score"] = *mean;
  json["geometric_means"] = means;
  for (const auto& [name, mean] : means.items())
    text += fmt::format("geometric mean {}: {:.3f}\n", name, mean.get<double>());
  if (output) {
    const std::string content = dump(json) + "\n";
    output->write(0, content.data(), static_cast<std::int64_t>(content.size()));
    output->commit();
  }
  return make_report(json, text);
}

}  // namespace fathom::cli
