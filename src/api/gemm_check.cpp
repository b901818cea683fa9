// Tensor views -> plan::GemmProblem, for gemm and grouped_gemm. Front end; reads no tensor data.
#include "api/gemm_check.hpp"

#include <fmt/format.h>

#include "api/tensor_check.hpp"

namespace fathom::api {
namespace {

using Form = Groups::Form;

struct Operands {
  Operand a, scale_a, b, scale_b, d, index;
};

std::string_view index_name(Form form) {
  switch (form) {
    case Form::kOffsets:
      return "offsets";
    case Form::kRowGroup:
      return "row_group";
    case Form::kGroupEnd:
      return "group_end";
    case Form::kMasked:
      return "rows";
    case Form::kNone:
      break;
  }
  return "groups.index";
}

Operands name_operands(const GemmOperands& operands) {
  const std::string_view operation = operation_name(operands.groups.form);
  return {{operation, "a", operands.a},
          {operation, "scale_a", operands.scale_a},
          {operation, "b", operands.b},
          {operation, "scale_b", operands.scale_b},
          {operation, "d", operands.d},
          {operation, index_name(operands.groups.form), operands.groups.index}};
}

void check_form(const GemmOperands& operands) {
  switch (operands.groups.form) {
    case Form::kNone:
      if (operands.groups.index) {
        refuse("gemm",
               "groups.index is given and groups.form is none; say what the index means (offsets, "
               "row_group, "
               "group_end or masked), or leave it out");
      }
      return;
    case Form::kOffsets:
    case Form::kRowGroup:
    case Form::kGroupEnd:
    case Form::kMasked:
      return;
  }
  refuse("grouped_gemm",
         fmt::format("groups.form is {}; it needs one of the values of Groups::Form, 0 to 4",
                     static_cast<std::int32_t>(operands.groups.form)));
}

/// Ranks, then the sizes that they give.
void read_sizes(const Operands& o, plan::GemmProblem& problem) {
  const bool masked = problem.form == Form::kMasked;
  check_rank(o.a, masked ? 3 : 2, masked ? "[G, max_m, k]" : "[m, k]");
  check_rank(o.b, problem.grouped() ? 3 : 2, problem.grouped() ? "[G, n, k]" : "[n, k]");
  problem.m = o.a.extent(masked ? 1 : 0);
  problem.k = o.a.extent(masked ? 2 : 1);
  problem.n = o.b.extent(problem.grouped() ? 1 : 0);
  problem.num_groups = problem.grouped() ? o.b.extent(0) : 1;
  if (problem.n == 0) {
    refuse(
        o.b,
        fmt::format(
            "has shape {}; n must be 1 or more: there is nothing to compute without columns of d",
            shape_text(o.b.view)));
  }
  if (problem.num_groups == 0) {
    refuse(o.b,
           fmt::format("has shape {}; it needs one group or more (groups without rows are legal)",
                       shape_text(o.b.view)));
  }
  const auto reason = [&] { return fmt::format("for k = {} (from a)", problem.k); };
  if (problem.grouped()) {
    check_shape(o.b, {problem.num_groups, problem.n, problem.k}, reason);
  } else {
    check_shape(o.b, {problem.n, problem.k}, reason);
  }
  if (masked && o.a.extent(0) != problem.num_groups) {
    refuse(o.a,
           fmt::format(
               "has shape {}, {} groups, and b has shape {}, {} groups; both need the same number",
               shape_text(o.a.view), o.a.extent(0), shape_text(o.b.view), problem.num_groups));
  }
}

void check_scale_a(const Operands& o, const plan::GemmProblem& problem) {
  const bool masked = problem.form == Form::kMasked;
  check_rank(o.scale_a, masked ? 3 : 2,
             masked ? "[G, max_m, ceil(k / 128)]" : "[m, ceil(k / 128)]");
  const auto reason = [&] {
    return fmt::format("for {} = {} and k = {} (one scale per 128 of k)", masked ? "max_m" : "m",
                       problem.m, problem.k);
  };
  if (masked) {
    check_shape(o.scale_a, {problem.num_groups, problem.m, problem.k_blocks()}, reason);
  } else {
    check_shape(o.scale_a, {problem.m, problem.k_blocks()}, reason);
  }
}

/// Both shapes of scale_b are legal; n = 1 gives both the same shape and the same meaning.
plan::ScaleBBlock check_scale_b(const Operands& o, const plan::GemmProblem& problem) {
  const bool grouped = problem.grouped();
  check_rank(o.scale_b, grouped ? 3 : 2,
             grouped ? "[G, ceil(n / 128), ceil(k / 128)] or [G, n, ceil(k / 128)]"
                     : "[ceil(n / 128), ceil(k / 128)] or [n, ceil(k / 128)]");
  const int rows_dim = grouped ? 1 : 0;
  const std::int64_t rows = o.scale_b.extent(rows_dim);
  const bool groups_fit = !grouped || o.scale_b.extent(0) == problem.num_groups;
  if (groups_fit && o.scale_b.extent(rows_dim + 1) == problem.k_blocks()) {
    if (rows == problem.n_blocks()) return plan::ScaleBBlock::k128x128;
    if (rows == problem.n) return plan::ScaleBBlock::k1x128;
  }
  const std::string lead = grouped ? fmt::format("{}, ", problem.num_groups) : "";
  refuse(
      o.scale_b,
      fmt::format(
          "has shape {}; for n = {} and k = {} it needs [{}{}, {}] (one scale per 128 x 128 block) "
          "or [{}{}, {}] (one per row of b and 128 of k)",
          shape_text(o.scale_b.view), problem.n, problem.k, lead, problem.n_blocks(),
          problem.k_blocks(), lead, problem.n, problem.k_blocks()));
}

void check_d(const Operands& o, const plan::GemmProblem& problem) {
  const bool masked = problem.form == Form::kMasked;
  check_rank(o.d, masked ? 3 : 2, masked ? "[G, max_m, n]" : "[m, n]");
  const auto reason = [&] {
    return fmt::format("for {} = {} and n = {}", masked ? "max_m" : "m", problem.m, problem.n);
  };
  if (masked) {
    check_shape(o.d, {problem.num_groups, problem.m, problem.n}, reason);
  } else {
    check_shape(o.d, {problem.m, problem.n}, reason);
  }
}

void check_index(const Operands& o, const Groups& groups, plan::GemmProblem& problem) {
  if (!problem.grouped()) return;
  std::int64_t size = problem.num_groups;
  std::string_view form = "[G]";
  std::string_view reason = "one entry for each group of b";
  if (problem.form == Form::kOffsets) {
    size = problem.num_groups + 1;
    form = "[G + 1]";
    reason = "where each group of b starts, and where the last ends:";
  } else if (problem.form == Form::kRowGroup) {
    size = problem.m;
    form = "[m]";
    reason = "one entry for each row of a";
  }
  check_rank(o.index, 1, form);
  check_shape(o.index, {size}, [&] { return reason; });
  if (problem.form == Form::kOffsets) {
    check_dtype(o.index, {DType::kInt32, DType::kInt64});
  } else {
    check_dtype(o.index, {DType::kInt32});
  }
  problem.index_is_int64 = groups.index.dtype == DType::kInt64;
  if (size > 1 && o.index.stride(0) != 1) {
    refuse(o.index, fmt::format("has stride {}; it needs contiguous entries (stride 1): copy it",
                                o.index.stride(0)));
  }
}

void check_groups(const Groups& groups, plan::GemmProblem& problem) {
  const std::string_view operation = operation_name(groups.form);
  if (groups.form == Form::kRowGroup || groups.form == Form::kGroupEnd) {
    if (!plan::is_group_alignment(groups.alignment)) {
      refuse(
          operation,
          fmt::format(
              "groups.alignment is {}; it must be 16, 32, 64, 128 or 256 rows (groups that start "
              "at any row are given by offsets)",
              groups.alignment));
    }
    problem.alignment = groups.alignment;
  }
  if (groups.expected_m < 0) {
    refuse(operation,
           fmt::format(
               "groups.expected_m is {}; it must be the rows expected in a group, or 0 for unknown",
               groups.expected_m));
  }
  problem.expected_m = groups.expected_m;
}

void check_options(const Operands& o, const GemmOptions& options,
                   const plan::GemmProblem& problem) {
  const std::string_view operation = o.d.operation;
  if (options.accumulate && problem.grouped()) {
    throw Error(ErrorCode::kUnsupported,
                "grouped_gemm: accumulate is set; only the dense product adds to d; compute into "
                "another tensor and add");
  }
  if (options.accumulate && problem.out != DType::kFp32) {
    refuse(
        operation,
        fmt::format("accumulate is set and d is {}; only fp32 keeps a running sum: pass an fp32 d",
                    to_string(problem.out)));
  }
  if (problem.grouped() && problem.out != DType::kBf16) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format(
            "grouped_gemm: d has dtype {}; grouped products are written as bf16: pass a bf16 d",
            to_string(problem.out)));
  }
  if (options.zero_padding && problem.form != Form::kRowGroup) {
    refuse(operation,
           "zero_padding is set; only row_group marks rows as padding (by -1): leave it out, and "
           "clear d "
           "before the call where zeros are needed");
  }
  if (options.max_sms < 0) {
    refuse(
        operation,
        fmt::format(
            "max_sms is {}; it must be the streaming multiprocessors that the call may use, or 0 "
            "for all",
            options.max_sms));
  }
}

void check_memory_and_layouts(const Operands& o, plan::GemmProblem& problem) {
  // Scales are read element by element where they are not aligned, so only their element size
  // counts.
  const std::int64_t scale_bytes = size_of(DType::kFp32);
  check_memory(o.a, kAlignmentBytes);
  check_memory(o.scale_a, scale_bytes);
  check_memory(o.b, kAlignmentBytes);
  check_memory(o.scale_b, scale_bytes);
  check_memory(o.d, kAlignmentBytes);
  problem.a = check_rows_layout(o.a);
  problem.scale_a = check_scale_layout(o.scale_a);
  problem.b = check_rows_layout(o.b);
  problem.scale_b = check_scale_layout(o.scale_b);
  problem.d = check_rows_layout(o.d);
  problem.scale_a_aligned = is_aligned(o.scale_a, kAlignmentBytes);
  problem.scale_b_aligned = is_aligned(o.scale_b, kAlignmentBytes);
  if (problem.grouped()) check_memory(o.index, size_of(o.index.view.dtype));
  for (const Operand* input : {&o.a, &o.scale_a, &o.b, &o.scale_b}) check_disjoint(o.d, *input);
  if (problem.grouped()) check_disjoint(o.d, o.index);
}

}  // namespace

std::string_view operation_name(Form form) {
  return form == Form::kNone ? "gemm" : "grouped_gemm";
}

plan::GemmProblem check_gemm(const GemmOperands& operands, const GemmOptions& options) {
  check_form(operands);
  const Operands o = name_operands(operands);
  plan::GemmProblem problem;
  problem.form = operands.groups.form;
  read_sizes(o, problem);
  check_groups(operands.groups, problem);
  check_scale_a(o, problem);
  problem.scale_b_block = check_scale_b(o, problem);
  check_d(o, problem);
  check_index(o, operands.groups, problem);

  check_dtype(o.a, {DType::kE4M3});
  check_dtype(o.scale_a, {DType::kFp32});
  check_dtype(o.b, {DType::kE4M3});
  check_dtype(o.scale_b, {DType::kFp32});
  check_dtype(o.d, {DType::kBf16, DType::kFp32});
  problem.out = operands.d.dtype;

  check_backend(o.a, options.backend);
  for (const Operand* operand : {&o.scale_a, &o.b, &o.scale_b, &o.d}) check_device(*operand, o.a);
  if (problem.grouped()) check_device(o.index, o.a);
  check_options(o, options, problem);
  check_memory_and_layouts(o, problem);

  problem.accumulate = options.accumulate;
  problem.batch_invariant = options.batch_invariant;
  problem.zero_padding = options.zero_padding;
  problem.max_sms = options.max_sms;
  problem.config = options.config;
  return problem;
}

}  // namespace fathom::api
