// explain(): the plan of a GEMM as JSON text. Front end.
#include "api/gemm_explain.hpp"

#include <nlohmann/json.hpp>

#include "api/gemm_check.hpp"

namespace fathom::api {
namespace {

using Json = nlohmann::ordered_json;

Json problem_json(const plan::GemmProblem& problem) {
  Json json;
  json["layout"] = layout_name(problem.form);
  json["m"] = problem.m;
  json["n"] = problem.n;
  json["k"] = problem.k;
  if (problem.grouped()) {
    json["groups"] = problem.num_groups;
    json["alignment"] = problem.alignment;
    json["expected_m"] = problem.expected_m;
  }
  json["out_dtype"] = to_string(problem.out);
  json["scale_a_contiguous"] = problem.scale_a.row_stride == 1 ? "m" : "k";
  json["scale_a_aligned"] = problem.scale_a_aligned;
  json["scale_b"] = problem.scale_b_block == plan::ScaleBBlock::k128x128 ? "128x128" : "1x128";
  json["scale_b_contiguous"] = problem.scale_b.row_stride == 1 ? "n" : "k";
  json["scale_b_aligned"] = problem.scale_b_aligned;
  json["accumulate"] = problem.accumulate;
  json["batch_invariant"] = problem.batch_invariant;
  json["zero_padding"] = problem.zero_padding;
  json["max_sms"] = problem.max_sms;
  return json;
}

}  // namespace

std::string_view layout_name(Groups::Form form) {
  switch (form) {
    case Groups::Form::kNone:
      return "dense";
    case Groups::Form::kOffsets:
      return "offsets";
    case Groups::Form::kRowGroup:
      return "row_group";
    case Groups::Form::kGroupEnd:
      return "group_end";
    case Groups::Form::kMasked:
      return "masked";
  }
  return "unknown";
}

std::string explain_gemm(const plan::GemmProblem& problem, Backend backend,
                         const BoundGemm& bound) {
  Json json;
  json["operation"] = operation_name(problem.form);
  json["backend"] = to_string(backend);
  json["problem"] = problem_json(problem);
  json.update(Json::parse(bound.plan_json()));
  return json.dump();
}

}  // namespace fathom::api
