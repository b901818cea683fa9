// See bench_grouped.hpp.
#include "bench_grouped.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/gpu_machine.hpp"
#include "bench/grouped_bench.hpp"
#include "bench_gpu_json.hpp"
#include "bench_report.hpp"
#include "problem_flags.hpp"

namespace fathom::cli {
namespace {

using bench::Contender;
using bench::GroupedResult;

double flops_of(const bench::GroupedShape& s) {
  return 2.0 * static_cast<double>(s.valid_rows()) * static_cast<double>(s.n) *
         static_cast<double>(s.k);
}

/// Weights of groups with rows, tokens and D, once each.
double bytes_of(const bench::GroupedShape& s) {
  const auto rows = static_cast<double>(s.valid_rows()), n = static_cast<double>(s.n),
             k = static_cast<double>(s.k);
  const auto groups = static_cast<double>(
      std::count_if(s.counts.begin(), s.counts.end(), [](auto count) { return count > 0; }));
  return groups * n * k + rows * k + 2 * rows * n;
}

const Contender* find(const GroupedResult& result, const std::string& name) {
  for (const Contender& contender : result.contenders)
    if (contender.name == name && contender.error.empty()) return &contender;
  return nullptr;
}

/// One entry of results[]: the fields of the other benchmarks, so that bench compare reads it.
Json result_json(const GroupedResult& result, std::size_t at, const bench::GpuBenchOptions& options,
                 const std::string& timer) {
  const bench::GroupedShape& s = result.shape;
  const Contender& ours = result.contenders[at];
  Json json;
  json["name"] = s.name;
  json["m"] = s.form == Groups::Form::kMasked ? s.max_m : s.valid_rows();
  json["n"] = s.n;
  json["k"] = s.k;
  json["layout"] = layout_name(s.form);
  json["groups"] = s.counts.size();
  json["out_dtype"] = "bf16";
  json["scale_b"] = "128x128";
  json["backend"] = "cuda";
  put_config(json, ours, options);
  json["clock"] = timer;
  json["rows_valid"] = s.valid_rows();
  json["rows_computed"] = result.rows_computed[at];
  if (!ours.error.empty()) {
    json["error"] = ours.error;
    return json;
  }
  put_times(json, ours, flops_of(s), bytes_of(s));
  json["sampled_error"] = result.sampled_error;
  for (const char* name : {"aligned", "padded"})
    if (const Contender* other = find(result, name))
      json[name] = Json{{"median_us", other->median_us},
                        {"config", other->config},
                        {"ratio", other->median_us / ours.median_us}};
  if (result.yardstick_us > 0) {
    json["yardstick_us"] = result.yardstick_us;
    json["score"] = bench::grouped_score(s, ours.median_us, result.yardstick_us);
  }
  return json;
}

std::string row_text(const Json& json) {
  const std::string shape =
      fmt::format("{} ({}, {})", json["name"].get<std::string>(), json["n"].get<std::int64_t>(),
                  json["k"].get<std::int64_t>());
  if (json.contains("error"))
    return fmt::format("{:<44} {}: {}\n", shape, json["config"].get<std::string>(),
                       json["error"].get<std::string>());
  return fmt::format(
      "{:<44} {:>9} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6}  {}\n", shape,
      number(json, "median_us", nullptr, "{:.2f}"), number(json, "tflops", nullptr, "{:.0f}"),
      number(json, "gb_per_s", nullptr, "{:.0f}"), json["rows_valid"].get<std::int64_t>(),
      json["rows_computed"].get<std::int64_t>(), number(json, "aligned", "ratio", "{:.3f}"),
      number(json, "padded", "ratio", "{:.3f}"), number(json, "score", nullptr, "{:.3f}"),
      json["config"].get<std::string>());
}

constexpr char kHeading[] =
    "groups (n, k)                                       us  TFLOPS    GB/s   valid computed  "
    "aligned   padded  score  config\n";

}  // namespace

std::vector<bench::GroupedShape> grouped_suite_shapes(const GpuBenchFlags& flags) {
  return bench::grouped_suite(flags.suite);
}

Report bench_groups_on_gpu(const Context& context, const GpuBenchFlags& flags,
                           const std::vector<bench::GroupedShape>& shapes,
                           const GpuBenchRequest& request, const CommonFlags& common) {
  const bench::GpuBenchOptions options = gpu_bench_options(flags, request, common);
  BenchReport report(common, request.output, static_cast<std::int64_t>(shapes.size()));
  bench::GpuMachine gpu(context, options);
  Json conditions = conditions_json(gpu.conditions(), options, flags.flush);
  conditions["suite"] = flags.suite;
  report.begin(conditions, conditions_text(conditions) +
                               ". aligned, padded: their time over ours\n" + kHeading);
  bench::run_grouped_bench(gpu, shapes, [&](const GroupedResult& shape) {
    for (std::size_t i = 0; i < shape.contenders.size(); ++i) {
      const Contender& ours = shape.contenders[i];
      // Of many configs, those that cannot compute a shape are left out of its rows.
      const bool left_out = options.configs.size() > 1 && !ours.error.empty();
      if (ours.name != "fathom" || left_out) continue;
      const Json row = result_json(shape, i, options, gpu.conditions().timer);
      report.add(row, row_text(row));
    }
    report.advance();
  });
  report.add_mean("aligned", "ratio");
  report.add_mean("padded", "ratio");
  report.add_mean("score");
  return report.finish();
}

}  // namespace fathom::cli
