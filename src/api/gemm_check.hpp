// Tensor views -> plan::GemmProblem, or an Error whose message ends the search. Front end; reads no
// tensor data.
#pragma once

#include <string_view>

#include <fathom/gemm.hpp>

#include "plan/gemm_problem.hpp"

namespace fathom::api {

/// "gemm" or "grouped_gemm": what messages and explain() call it.
std::string_view operation_name(Groups::Form form);

/// Checks rank, shape, dtype, device, stride, alignment, overlap, extents and options. Throws
/// Error(kInvalidArgument) or Error(kUnsupported).
plan::GemmProblem check_gemm(const GemmOperands& operands, const GemmOptions& options);

}  // namespace fathom::api
