// fathom bench: the time of products, and the comparison of two measurements. Command-line layer.
#include <fmt/format.h>

#include <fathom/gemm.hpp>
#include <memory>

#include "backend.hpp"
#include "bench_compare.hpp"
#include "bench_cpu.hpp"
#include "bench_gpu.hpp"
#include "bench_grouped.hpp"
#include "bench_report.hpp"
#include "help.hpp"
#include "machine.hpp"
#include "problem_flags.hpp"
#include "verify_spec.hpp"

namespace fathom::cli {
namespace {

struct BenchFlags {
  ProblemFlags problem;
  std::vector<std::int64_t> m, n, k;
  std::optional<std::int64_t> groups_random;
  int iterations = 0;
  bool no_loops = false;
  std::optional<std::string> output;
  GpuBenchFlags gpu;

  CLI::App* verb = nullptr;
  CLI::App* compare = nullptr;
  std::string before, after;
  std::optional<double> most_slower;
};

struct Shape {
  std::int64_t m, n, k;
};

/// Every m with every (n, k); lists of n and k of one length are pairs, otherwise every n goes with
/// every k.
std::vector<Shape> shapes_of(const BenchFlags& flags) {
  if (flags.m.empty() || flags.n.empty() || flags.k.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "bench: --m, --n or --k is missing; give each one number or a list (--m 64,128)");
  }
  std::vector<Shape> shapes;
  for (const std::int64_t m : flags.m) {
    for (std::size_t i = 0; i < flags.n.size(); ++i) {
      if (flags.n.size() == flags.k.size()) {
        shapes.push_back({m, flags.n[i], flags.k[i]});
        continue;
      }
      for (const std::int64_t k : flags.k) shapes.push_back({m, flags.n[i], k});
    }
  }
  return shapes;
}

reference::ProblemSpec spec_of(const BenchFlags& flags, const Shape& shape,
                               const CommonFlags& common) {
  VerifyFlags as_verify;
  as_verify.problem = flags.problem;
  as_verify.m = shape.m;
  as_verify.n = shape.n;
  as_verify.k = shape.k;
  as_verify.groups_random = flags.groups_random;
  if (flags.problem.layout != "dense" && !flags.groups_random) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench: --layout {} needs --groups-random G", flags.problem.layout));
  }
  return verify_spec(as_verify, common);
}

Json result_json(const BenchResult& result) {
  const double median = result.timing.median();
  Json json;
  json["m"] = result.m;
  json["n"] = result.n;
  json["k"] = result.k;
  json["layout"] = result.layout;
  json["groups"] = result.groups;
  json["out_dtype"] = result.out_dtype;
  json["scale_b"] = result.scale_b;
  json["backend"] = result.backend;
  json["config"] = result.config;
  json["clock"] = result.clock;
  json["iterations"] = result.timing.seconds.size();
  json["median_us"] = 1e6 * median;
  json["min_us"] = 1e6 * result.timing.at(0);
  json["p10_us"] = 1e6 * result.timing.at(0.1);
  json["p90_us"] = 1e6 * result.timing.at(0.9);
  json["max_us"] = 1e6 * result.timing.at(1);
  json["tflops"] = static_cast<double>(result.flops) / median / 1e12;
  json["gb_per_s"] = static_cast<double>(result.bytes) / median / 1e9;
  if (result.loops_m > 0) {
    const double loops_tflops = result.loops_flops_per_second / 1e12;
    json["loops"] = Json{{"m", result.loops_m},
                         {"tflops", loops_tflops},
                         {"speedup", json["tflops"].get<double>() / loops_tflops}};
  }
  return json;
}

std::string result_text(const Json& json) {
  const std::string loops =
      json.contains("loops")
          ? fmt::format("  x{:.0f} the plain loops", json["loops"]["speedup"].get<double>())
          : "";
  return fmt::format(
      "m={:<6} n={:<6} k={:<6} {:<9} {:>12.1f} us  [{:.1f}, {:.1f}]  {:8.2f} GFLOP/s {:7.2f} GB/s  "
      "{}{}\n",
      json["m"].get<std::int64_t>(), json["n"].get<std::int64_t>(), json["k"].get<std::int64_t>(),
      json["layout"].get<std::string>(), json["median_us"].get<double>(),
      json["p10_us"].get<double>(), json["p90_us"].get<double>(),
      1e3 * json["tflops"].get<double>(), json["gb_per_s"].get<double>(),
      json["config"].get<std::string>(), loops);
}

Report bench_gpu(const BenchFlags& flags, const CommonFlags& common, const Context& context) {
  if (flags.problem.layout != "dense" || flags.problem.out_dtype != "bf16" ||
      flags.problem.scale_b != "128x128" || flags.problem.accumulate || flags.groups_random) {
    throw Error(
        ErrorCode::kUnsupported,
        "bench: on the GPU it times the dense product with 128x128 scales of b and bf16 d, and "
        "grouped ones by --suite; leave out --layout, --groups-random, --out-dtype, --scale-b and "
        "--accumulate, or use --backend cpu");
  }
  GpuBenchRequest request;
  const std::vector<bench::GroupedShape> groups = grouped_suite_shapes(flags.gpu);
  request.shapes = suite_shapes(flags.gpu);
  if (!flags.gpu.suite.empty() && !(flags.m.empty() && flags.n.empty() && flags.k.empty())) {
    throw Error(ErrorCode::kInvalidArgument,
                "bench: --suite has shapes of its own; leave out --m, --n and --k, or --suite");
  }
  if (flags.gpu.suite.empty()) {
    for (const Shape& shape : shapes_of(flags))
      request.shapes.push_back({shape.m, shape.n, shape.k});
  }
  request.iterations = flags.iterations;
  request.output = flags.output;
  GpuBenchFlags gpu = flags.gpu;
  gpu.batch_invariant = flags.problem.batch_invariant;
  if (gpu.configs.empty() && !flags.problem.config.empty()) gpu.configs = {flags.problem.config};
  return groups.empty() ? bench_on_gpu(context, gpu, request, common)
                        : bench_groups_on_gpu(context, gpu, groups, request, common);
}

void refuse_gpu_flags(const CLI::App& verb, Backend backend) {
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_group() != kGpuGroup || option->count() == 0) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench: {} is for a Hopper GPU, and the backend is {}; add --backend "
                            "cuda, or leave it out",
                            option->get_name(), to_string(backend)));
  }
}

Report bench(const BenchFlags& flags, const CommonFlags& common) {
  const Context context = make_context();
  Backend backend = chosen_backend(common, context);
  if (backend == Backend::kAuto)
    backend = hopper_device(context) != nullptr ? Backend::kCuda : Backend::kCpu;
  if (backend == Backend::kCuda) return bench_gpu(flags, common, context);
  refuse_gpu_flags(*flags.verb, backend);
  CpuBenchOptions options;
  options.backend = backend;
  options.config = flags.problem.config;
  options.iterations = flags.iterations;
  options.loops = !flags.no_loops;
  const std::vector<Shape> shapes = shapes_of(flags);
  std::vector<reference::ProblemSpec> specs;
  specs.reserve(shapes.size());
  for (const Shape& shape : shapes) specs.push_back(spec_of(flags, shape, common));
  BenchReport report(common, flags.output, static_cast<std::int64_t>(specs.size()));
  report.begin({{"cpu", cpu_json(context.options())}, {"seed", common.seed}},
               fmt::format("fathom {} ({}), {}, {} threads; median [p10, p90]\n", version(),
                           commit(), cpu_model(), context.options().num_threads));
  for (const reference::ProblemSpec& spec : specs) {
    const Json row = result_json(bench_on_cpu(context, spec, options));
    report.add(row, result_text(row));
    report.advance();
  }
  return report.finish();
}

void add_compare(CLI::App& verb, BenchFlags& flags) {
  flags.compare = verb.add_subcommand("compare", "Two outputs of fathom bench --json side by side");
  flags.compare->fallthrough();
  flags.compare->add_option("BEFORE.json", flags.before, "The measurement to compare with")
      ->required();
  flags.compare->add_option("AFTER.json", flags.after, "The measurement in question")->required();
  flags.compare
      ->add_option("--most-slower", flags.most_slower,
                   "Fail (exit code 1) when a median is more than this many times the one before")
      ->type_name("RATIO");
  flags.compare->footer(
      "Examples:\n"
      "  fathom bench compare before.json after.json --most-slower 1.05\n");
}

}  // namespace

Action add_bench(CLI::App& verb) {
  auto flags = std::make_shared<BenchFlags>();
  flags->verb = &verb;
  add_problem_flags(verb, flags->problem);
  verb.add_option("--m", flags->m, "Rows of a and d: a number or a list")
      ->type_name("M,...")
      ->check(whole_number(0))
      ->delimiter(',');
  verb.add_option("--n", flags->n, "Columns of d: a number or a list")
      ->type_name("N,...")
      ->check(whole_number(1))
      ->delimiter(',');
  verb.add_option("--k", flags->k, "Columns of a and b: a number or a list")
      ->type_name("K,...")
      ->check(whole_number(0))
      ->delimiter(',');
  verb.add_option("--groups-random", flags->groups_random,
                  "Deal --m rows to so many groups by the seed")
      ->type_name("G")
      ->check(whole_number(1));
  verb.add_option("--iterations", flags->iterations,
                  "Timed calls of each shape; 0 = as many as fit a second, from 3 to 1000. On a "
                  "GPU of each contender and round; 0 = 20")
      ->type_name("COUNT")
      ->check(whole_number(0, 10000))
      ->capture_default_str();
  verb.add_flag("--no-loops", flags->no_loops, "Do not time the reference's plain loops beside it");
  verb.add_option("-o,--output", flags->output,
                  "Write the JSON to this file as well, as it stands after each shape")
      ->type_name("FILE.json");
  add_gpu_bench_flags(verb, flags->gpu);
  verb.footer(
      "Every m goes with every (n, k); lists of n and k of one length are pairs. Loops are the\n"
      "reference's, on fewer rows where they would take too long.\n"
      "Examples:\n"
      "  fathom bench --m 64,128 --n 2112,4096 --k 7168,7168\n"
      "  fathom bench --m 64 --n 7168 --k 2048 --json > before.json\n"
      "  fathom bench --backend cuda --suite published -o h200.json\n"
      "  fathom bench --backend cuda --suite masked_decode -o h200-masked-decode.json\n"
      "  fathom bench compare before.json after.json\n");
  add_compare(verb, *flags);
  return [flags](const CommonFlags& common) {
    return flags->compare->parsed()
               ? compare_benches(flags->before, flags->after, flags->most_slower)
               : bench(*flags, common);
  };
}

}  // namespace fathom::cli
