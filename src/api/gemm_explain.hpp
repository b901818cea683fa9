// explain(): the plan of a GEMM as JSON text. Front end.
#pragma once

#include <string>

#include "api/gemm_backend.hpp"
#include "plan/device_spec.hpp"

namespace fathom::api {

/// {"operation", "backend", "problem": {...}} followed by the members of bound.plan_json().
std::string explain_gemm(const plan::GemmProblem& problem, Backend backend, const BoundGemm& bound);
/// The same of the plan for a GPU, without operands that lie on it.
std::string explain_gemm(const plan::GemmProblem& problem, const plan::DeviceSpec& device);

/// "dense", "offsets", "row_group", "group_end", "masked": the word of the command line and of
/// JSON.
std::string_view layout_name(Groups::Form form);

}  // namespace fathom::api
