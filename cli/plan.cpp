// fathom plan: what would run for a problem, and why. Command-line layer; computes nothing.
#include <fmt/format.h>

#include <fathom/gemm.hpp>
#include <memory>

#include "backend.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "problem_flags.hpp"

namespace fathom::cli {
namespace {

struct PlanFlags {
  ProblemFlags problem;
  std::optional<std::int64_t> m, n, k;
  std::int64_t num_groups = 1;
};

/// Views without memory behind them: planning reads shapes, strides and the alignment of addresses,
/// never data. The addresses are disjoint, a multiple of 2^56 each, so that no check of overlap is
/// met.
class ViewMaker {
 public:
  TensorView matrix(DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t planes) {
    const std::int64_t multiple = std::max<std::int64_t>(1, 16 / size_of(dtype));
    const std::int64_t pitch =
        (std::max<std::int64_t>(1, cols) + multiple - 1) / multiple * multiple;
    if (planes == 0) return TensorView::matrix(next(), dtype, rows, cols, pitch);
    return TensorView::batch(next(), dtype, planes, rows, cols, pitch);
  }
  TensorView vector(std::int64_t size) { return TensorView::vector(next(), DType::kInt32, size); }

 private:
  void* next() { return reinterpret_cast<void*>(++count_ << 56); }
  std::uintptr_t count_ = 0;
};

std::int64_t index_size(Groups::Form form, std::int64_t m, std::int64_t groups) {
  switch (form) {
    case Groups::Form::kOffsets:
      return groups + 1;
    case Groups::Form::kRowGroup:
      return m;
    default:
      return groups;
  }
}

GemmOperands views_of(const PlanFlags& flags) {
  const std::int64_t m = required_extent(flags.m, "--m");
  const std::int64_t n = required_extent(flags.n, "--n", 1);
  const std::int64_t k = required_extent(flags.k, "--k");
  const Groups::Form form = flags.problem.form();
  const std::int64_t groups = required_extent(flags.num_groups, "--num-groups", 1);
  const std::int64_t b_planes = form == Groups::Form::kNone ? 0 : groups;
  const std::int64_t a_planes = form == Groups::Form::kMasked ? groups : 0;
  const std::int64_t k_blocks = (k + 127) / 128;
  const bool per_row = flags.problem.scale_b_block() == plan::ScaleBBlock::k1x128;
  ViewMaker make;
  GemmOperands operands;
  operands.a = make.matrix(DType::kE4M3, m, k, a_planes);
  operands.b = make.matrix(DType::kE4M3, n, k, b_planes);
  operands.d = make.matrix(flags.problem.out(), m, n, a_planes);
  // Rows contiguous: what the quantisers write and the kernels read fastest.
  operands.scale_a = make.matrix(DType::kFp32, k_blocks, m, a_planes).transposed();
  operands.scale_b = make.matrix(DType::kFp32, per_row ? n : (n + 127) / 128, k_blocks, b_planes);
  if (form != Groups::Form::kNone) {
    operands.groups.form = form;
    operands.groups.index = make.vector(index_size(form, m, groups));
    operands.groups.alignment = flags.problem.alignment;
  }
  return operands;
}

Report plan_problem(const PlanFlags& flags, const CommonFlags& common) {
  const Context context = make_context();
  GemmOptions options;
  options.backend = chosen_backend(common, context);
  options.accumulate = flags.problem.accumulate;
  options.batch_invariant = flags.problem.batch_invariant;
  options.config = flags.problem.config;
  const GemmPlan plan = plan_gemm(context, views_of(flags), options);
  const Json explained = Json::parse(plan.explain());
  Json json = new_object();
  json.update(explained);
  for (const char* field : {"launch", "candidates"}) {
    if (!json.contains(field))
      json[field] = field == std::string("launch") ? Json::object() : Json::array();
  }
  return make_report(json, explained.dump(2) + "\n");
}

}  // namespace

Action add_plan(CLI::App& verb) {
  auto flags = std::make_shared<PlanFlags>();
  add_problem_flags(verb, flags->problem);
  verb.add_option("--m", flags->m, "Rows of a and d (masked: of each group)")->type_name("M");
  verb.add_option("--n", flags->n, "Columns of d")->type_name("N");
  verb.add_option("--k", flags->k, "Columns of a and b")->type_name("K");
  verb.add_option("--num-groups", flags->num_groups, "Groups of a layout other than dense")
      ->type_name("G")
      ->capture_default_str();
  verb.footer(
      "The same flags give the same text every time.\n"
      "Examples:\n"
      "  fathom plan --op gemm --m 64 --n 7168 --k 2048\n"
      "  fathom plan --op gemm --m 8192 --n 4096 --k 7168 --layout row_group --num-groups 4 "
      "--json\n");
  return [flags](const CommonFlags& common) { return plan_problem(*flags, common); };
}

}  // namespace fathom::cli
