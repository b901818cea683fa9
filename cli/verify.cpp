// fathom verify: a product of made-up data against the FP64 reference. Command-line layer.
#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <fathom/gemm.hpp>
#include <memory>

#include "backend.hpp"
#include "dump.hpp"
#include "emulator.hpp"
#include "gemm_run.hpp"
#include "groups_file.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "output_file.hpp"
#include "problem_flags.hpp"
#include "progress.hpp"
#include "reference/gemm.hpp"
#include "reference/problem_data.hpp"
#include "reference/tolerance.hpp"
#include "support/tensor_access.hpp"
#include "verify_spec.hpp"

namespace fathom::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// D of every row as it is now, dense.
std::vector<float> values_of_d(const reference::ProblemData& data) {
  const plan::GemmProblem& p = data.problem();
  std::vector<float> values;
  for (std::int64_t row = 0; row < data.d_rows(); ++row) {
    const std::int64_t start = row / p.m * p.d.group_stride + row % p.m * p.d.row_stride;
    for (std::int64_t col = 0; col < p.n; ++col) {
      values.push_back(support::load_float(data.operands().d, start + col));
    }
  }
  return values;
}

/// Elements of valid rows whose bits are not those of the rounded reference.
std::int64_t count_unequal(const reference::ProblemData& data, const std::vector<double>& exact) {
  const plan::GemmProblem& p = data.problem();
  const std::vector<float> got = values_of_d(data);
  std::int64_t unequal = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (data.groups()[i / static_cast<std::size_t>(p.n)] == -1) continue;
    const float wanted = p.out == DType::kBf16
                             ? support::bf16_to_float(support::bf16_from_double(exact[i]))
                             : static_cast<float>(exact[i]);
    unequal += std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(wanted) ? 1 : 0;
  }
  return unequal;
}

struct Outcome {
  GemmRun run;
  reference::Tolerance tolerance;
  reference::Comparison comparison;
  std::string damage;
  std::int64_t unequal = 0;  ///< exact data only
  double reference_seconds = 0;
  bool passed = false;
  std::string backend;     ///< as --backend names it
  std::string trace_hash;  ///< emulator only
  std::string findings;    ///< of the emulator; D is worth nothing then
};

std::uint64_t schedule_seed(const VerifyFlags& flags) {
  return flags.schedule_seed.value_or(1);
}

/// The emulator of this run, made ready; nothing on other backends.
std::optional<Emulator> start_emulator(const VerifyFlags& flags, const CommonFlags& common,
                                       const Context& context) {
  if (!uses_emulator(common)) {
    if (!flags.schedule_seed) return std::nullopt;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--schedule-seed is given and --backend is {}; only the emulator has "
                            "schedules: add --backend emulator, or leave it out",
                            common.backend));
  }
  Emulator emulator(context.options().libcuda);
  emulator.set_seed(schedule_seed(flags));
  return emulator;
}

/// run_gemm; what an emulator finds ends the run, not the command.
void compute(const Context& context, reference::ProblemData& data, const GemmOptions& options,
             const std::optional<Emulator>& emulator, Outcome& outcome) {
  try {
    outcome.run = run_gemm(context, data.operands(), options,
                           {data.d_memory().data(), data.d_memory().bytes()});
  } catch (const Error&) {
    if (!emulator || emulator->report().empty()) throw;
    outcome.run = {Backend::kCuda, options.config, 0};
    outcome.findings = emulator->report();
  }
  outcome.backend = emulator ? "emulator" : to_string(outcome.run.backend);
  if (emulator) outcome.trace_hash = emulator->trace_hash();
}

Json outcome_json(const reference::ProblemData& data, const VerifyFlags& flags,
                  const Outcome& outcome) {
  const plan::GemmProblem& p = data.problem();
  const reference::Comparison& c = outcome.comparison;
  constexpr std::size_t kShown = 64;  // indices of wrong rows and columns
  const auto shown = [](std::vector<std::int64_t> list) {
    if (list.size() > kShown) list.resize(kShown);
    return list;
  };
  Json json = new_object();
  json["op"] = "gemm";
  json["passed"] = outcome.passed;
  json["rel_error"] = c.rel_error;
  json["max_abs"] = c.max_abs;
  json["calc_diff"] = c.calc_diff;
  json["tolerance"] = outcome.tolerance.norm;
  json["backend"] = outcome.backend;
  json["config"] = outcome.run.config;
  json["layout"] = layout_name(p.form);
  json["m"] = p.form == Groups::Form::kMasked ? p.m : valid_rows(data);
  json["n"] = p.n;
  json["k"] = p.k;
  json["groups"] = p.num_groups;
  json["rows"] = data.d_rows();
  json["valid_rows"] = valid_rows(data);
  json["alignment"] = p.alignment;
  json["out_dtype"] = to_string(p.out);
  json["scale_b"] = flags.problem.scale_b;
  json["accumulate"] = p.accumulate;
  json["data"] = flags.data;
  json["seed"] = data.spec().seed;
  json["elements"] = c.elements;
  json["element_tolerance"] =
      Json{{"relative", outcome.tolerance.relative}, {"magnitude", outcome.tolerance.magnitude}};
  json["worst_share"] = c.worst_share;
  json["magnitude_error"] = c.magnitude_error;
  json["bit_equal"] = flags.data == "exact" ? Json(outcome.unequal == 0) : Json(nullptr);
  json["damage"] = outcome.damage;
  json["wrong_rows"] = shown(c.wrong_rows);
  json["wrong_cols"] = shown(c.wrong_cols);
  json["seconds"] = outcome.run.seconds;
  json["reference_seconds"] = outcome.reference_seconds;
  if (!outcome.trace_hash.empty()) {
    json["schedule_seed"] = schedule_seed(flags);
    json["trace_hash"] = outcome.trace_hash;
    json["findings"] = outcome.findings;
  }
  return json;
}

std::string outcome_text(const reference::ProblemData& data, const Outcome& outcome) {
  std::string text = outcome.comparison.text(data.problem(), outcome.tolerance, outcome.run.config);
  if (!text.ends_with('\n')) text += '\n';
  if (outcome.unequal > 0) {
    text += fmt::format("exact data: {} elements differ from the one right bit pattern\n",
                        outcome.unequal);
  }
  if (!outcome.damage.empty()) text += outcome.damage + "\n";
  if (!outcome.findings.empty()) text = outcome.findings;
  if (!outcome.trace_hash.empty()) text += "trace_hash " + outcome.trace_hash + "\n";
  return text + fmt::format("{} on {} ({}), {:.3f} s, reference {:.3f} s\n",
                            outcome.passed ? "passed" : "FAILED", outcome.backend,
                            outcome.run.config, outcome.run.seconds, outcome.reference_seconds);
}

Report verify(const VerifyFlags& flags, const CommonFlags& common) {
  const Context context = make_context(common);
  GemmOptions options = options_of(flags.problem);
  options.backend = chosen_backend(common, context);
  const std::optional<Emulator> emulator = start_emulator(flags, common, context);
  const reference::ProblemSpec spec = verify_spec(flags, common);
  if (flags.dump && flags.groups_file) refuse_input_as_output(*flags.dump, {*flags.groups_file});
  Progress progress("verifying", 5);  // data, reference, its magnitude, product, comparison
  reference::ProblemData data(spec);
  progress.advance(1);
  options.accumulate = data.spec().accumulate;
  std::optional<ProblemDump> dump;
  if (flags.dump) dump.emplace(*flags.dump, data);

  const plan::GemmProblem& problem = data.problem();
  const auto elements = static_cast<std::size_t>(data.d_rows() * problem.n);
  const std::vector<float> start = problem.accumulate ? values_of_d(data) : std::vector<float>();
  // gemm_fp64 adds to D, so it must see D before the product changes it.
  Outcome outcome;
  std::vector<double> exact(elements), magnitude(elements);
  const auto clock = Clock::now();
  reference::gemm_fp64(problem, data.operands(), exact.data());
  progress.advance(1);
  reference::gemm_magnitude(problem, data.operands(), magnitude.data());
  progress.advance(1);
  outcome.reference_seconds = seconds_since(clock);
  compute(context, data, options, emulator, outcome);
  progress.advance(1);

  outcome.tolerance = reference::tolerance_of(problem.out, outcome.run.backend);
  outcome.comparison = reference::compare(problem, data.groups(), data.operands().d, exact.data(),
                                          magnitude.data(), outcome.tolerance);
  outcome.damage = data.d_damage();
  if (flags.data == "exact") outcome.unequal = count_unequal(data, exact);
  outcome.passed = outcome.comparison.passed && outcome.damage.empty() && outcome.unequal == 0 &&
                   outcome.findings.empty();
  if (dump) dump->write(data, exact, start);
  return make_report(outcome_json(data, flags, outcome), outcome_text(data, outcome),
                     outcome.passed);
}

}  // namespace

Action add_verify(CLI::App& verb) {
  auto flags = std::make_shared<VerifyFlags>();
  add_problem_flags(verb, flags->problem);
  add_extents(verb,
              "Rows that belong to a group, in all (masked: max_m); with --groups it follows "
              "from the file",
              flags->m, flags->n, flags->k);
  verb.add_option("--groups", flags->groups_file, "A groups file (JSON), see below")
      ->type_name("FILE.json");
  verb.add_option("--groups-random", flags->groups_random,
                  "Deal --m rows to so many groups by the seed")
      ->type_name("G")
      ->check(whole_number(1));
  add_choice(verb, "--index-dtype", flags->index_dtype, {"int32", "int64"}, "Type of offsets");
  add_choice(verb, "--data", flags->data, {"random", "exact", "outliers"},
             "exact: small integers, equality is bitwise; outliers: some channels of a are up to "
             "1e5 times the rest");
  verb.add_option(
          "--dump", flags->dump,
          "Write operands, scales, d, the FP64 reference and the metadata to this safetensors file")
      ->type_name("FILE.safetensors");
  verb.add_option("--schedule-seed", flags->schedule_seed,
                  "--backend emulator: the seed of the threads' schedule [1]")
      ->type_name("N")
      ->check(check_uint64);
  verb.footer(
      "A groups file is one of {\"offsets\": [...]}, {\"row_group\": [...], \"alignment\": 128},\n"
      "{\"group_end\": [...], \"alignment\": 128}, {\"rows\": [...], \"max_m\": N}.\n"
      "passed: every element within the tolerance of docs/numerics.md, and nothing written that "
      "is\n"
      "not a valid row of d. tolerance is the limit of rel_error for 4,096 elements or more.\n"
      "Examples:\n"
      "  fathom verify --op gemm --m 64 --n 2112 --k 7168 --json\n"
      "  fathom verify --op gemm --m 300 --n 96 --k 200 --layout offsets --groups-random 5\n"
      "  fathom verify --op gemm --n 96 --k 200 --groups groups.json --data exact\n"
      "  fathom verify --backend emulator --schedule-seed 7 --m 100 --n 200 --k 300\n");
  return [flags](const CommonFlags& common) { return verify(*flags, common); };
}

}  // namespace fathom::cli
