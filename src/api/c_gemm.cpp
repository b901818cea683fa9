// The C ABI of gemm and grouped_gemm. Front end; decides nothing.
#include <string>
#include <vector>

#include "api/c_handles.hpp"

namespace {

using fathom::api::check_flags;
using fathom::api::guarded;
using fathom::api::override_text;
using fathom::api::read_struct;
using fathom::api::refuse;
using fathom::api::required;
using fathom::api::view_of;

static_assert(FATHOM_GROUPS_MASKED == static_cast<int>(fathom::Groups::Form::kMasked));

struct GemmArguments {
  fathom::GemmOperands operands;
  fathom::GemmOptions options;
};

GemmArguments read_gemm(const fathom_gemm_args* given, std::string_view function) {
  const fathom_gemm_args c = read_struct(given, function, "fathom_gemm_args");
  check_flags(c.flags,
              FATHOM_GEMM_ACCUMULATE | FATHOM_GEMM_BATCH_INVARIANT | FATHOM_GEMM_ZERO_PADDING |
                  FATHOM_GEMM_PROGRAMMATIC_LAUNCH | FATHOM_GEMM_WEIGHTS_CONSTANT |
                  FATHOM_GEMM_CHECK_METADATA,
              function);
  if (c.reserved != 0) refuse("{}: reserved is {}; it needs 0", function, c.reserved);
  GemmArguments result;
  result.operands.a = view_of(c.a);
  result.operands.scale_a = view_of(c.scale_a);
  result.operands.b = view_of(c.b);
  result.operands.scale_b = view_of(c.scale_b);
  result.operands.d = view_of(c.d);
  result.operands.groups.form = static_cast<fathom::Groups::Form>(c.group_form);
  result.operands.groups.index = view_of(c.group_index);
  if (c.group_alignment != 0) result.operands.groups.alignment = c.group_alignment;
  result.operands.groups.expected_m = c.expected_m;
  result.options.backend = static_cast<fathom::Backend>(c.backend);
  result.options.accumulate = (c.flags & FATHOM_GEMM_ACCUMULATE) != 0;
  result.options.batch_invariant = (c.flags & FATHOM_GEMM_BATCH_INVARIANT) != 0;
  result.options.zero_padding = (c.flags & FATHOM_GEMM_ZERO_PADDING) != 0;
  result.options.programmatic_launch = (c.flags & FATHOM_GEMM_PROGRAMMATIC_LAUNCH) != 0;
  result.options.weights_constant = (c.flags & FATHOM_GEMM_WEIGHTS_CONSTANT) != 0;
  result.options.check_metadata = (c.flags & FATHOM_GEMM_CHECK_METADATA) != 0;
  result.options.max_sms = c.max_sms;
  override_text(result.options.config, c.config);
  return result;
}

fathom::GemmRange read_range(const fathom_gemm_range* given, std::string_view function) {
  const fathom_gemm_range c = read_struct(given, function, "fathom_gemm_range");
  check_flags(c.flags, FATHOM_GEMM_BATCH_INVARIANT, function);
  fathom::GemmRange range;
  range.form = static_cast<fathom::Groups::Form>(c.group_form);
  range.n = c.n;
  range.k = c.k;
  if (c.num_groups != 0) range.num_groups = c.num_groups;
  range.min_m = c.min_m;
  range.max_m = c.max_m;
  if (c.group_alignment != 0) range.alignment = c.group_alignment;
  if (c.d_dtype != 0) range.out = static_cast<fathom::DType>(c.d_dtype);
  if (c.scale_b_block != 0 && c.scale_b_block != FATHOM_BLOCK_1X128 &&
      c.scale_b_block != FATHOM_BLOCK_128X128)
    refuse("{}: scale_b_block is {}; it needs FATHOM_BLOCK_128X128 ({}) or FATHOM_BLOCK_1X128 ({})",
           function, c.scale_b_block, +FATHOM_BLOCK_128X128, +FATHOM_BLOCK_1X128);
  range.scale_b_1x128 = c.scale_b_block == FATHOM_BLOCK_1X128;
  range.batch_invariant = (c.flags & FATHOM_GEMM_BATCH_INVARIANT) != 0;
  range.max_sms = c.max_sms;
  override_text(range.device, c.device);
  return range;
}

}  // namespace

fathom_status fathom_gemm(fathom_context* context, const fathom_gemm_args* args, void* stream) {
  return guarded([&] {
    const GemmArguments call = read_gemm(args, "fathom_gemm");
    fathom::gemm(required(context, "fathom_gemm", "context")->context, call.operands, call.options,
                 stream);
  });
}

fathom_status fathom_grouped_gemm(fathom_context* context, const fathom_gemm_args* args,
                                  void* stream) {
  return guarded([&] {
    const GemmArguments call = read_gemm(args, "fathom_grouped_gemm");
    fathom::grouped_gemm(required(context, "fathom_grouped_gemm", "context")->context,
                         call.operands, call.options, stream);
  });
}

fathom_status fathom_gemm_can_implement(fathom_context* context, const fathom_gemm_args* args,
                                        const char** reason) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_gemm_can_implement";
    required(reason, kFunction, "reason");
    const GemmArguments call = read_gemm(args, kFunction);
    thread_local std::string text;
    const auto answer = fathom::can_implement(required(context, kFunction, "context")->context,
                                              call.operands, call.options);
    if (answer) text = *answer;
    *reason = answer ? text.c_str() : nullptr;
  });
}

fathom_status fathom_gemm_plan_create(fathom_context* context, const fathom_gemm_args* args,
                                      fathom_gemm_plan** plan) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_gemm_plan_create";
    required(plan, kFunction, "plan");
    const GemmArguments call = read_gemm(args, kFunction);
    *plan = new fathom_gemm_plan{fathom::plan_gemm(required(context, kFunction, "context")->context,
                                                   call.operands, call.options)};
  });
}

fathom_status fathom_gemm_plan_launch(const fathom_gemm_plan* plan, void* stream) {
  return guarded([&] { required(plan, "fathom_gemm_plan_launch", "plan")->plan.launch(stream); });
}

fathom_status fathom_gemm_plan_backend(const fathom_gemm_plan* plan, int32_t* backend) {
  return guarded([&] {
    required(backend, "fathom_gemm_plan_backend", "backend");
    *backend =
        static_cast<int32_t>(required(plan, "fathom_gemm_plan_backend", "plan")->plan.backend());
  });
}

fathom_status fathom_gemm_plan_config(const fathom_gemm_plan* plan, const char** config) {
  return guarded([&] {
    required(config, "fathom_gemm_plan_config", "config");
    *config = required(plan, "fathom_gemm_plan_config", "plan")->plan.config().c_str();
  });
}

fathom_status fathom_gemm_plan_explain(const fathom_gemm_plan* plan, const char** json) {
  return guarded([&] {
    required(json, "fathom_gemm_plan_explain", "json");
    *json = required(plan, "fathom_gemm_plan_explain", "plan")->plan.explain().c_str();
  });
}

void fathom_gemm_plan_destroy(fathom_gemm_plan* plan) {
  delete plan;
}

fathom_status fathom_gemm_explain(const fathom_gemm_args* args, const char* device,
                                  const char** json) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_gemm_explain";
    required(json, kFunction, "json");
    const GemmArguments call = read_gemm(args, kFunction);
    thread_local std::string text;
    text = fathom::explain_gemm(call.operands, call.options, required(device, kFunction, "device"));
    *json = text.c_str();
  });
}

fathom_status fathom_gemm_configs(fathom_context* context, const fathom_gemm_range* range,
                                  const char* const** configs, int64_t* count) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_gemm_configs";
    required(configs, kFunction, "configs");
    required(count, kFunction, "count");
    thread_local fathom::api::TextList list;
    list = fathom::api::TextList(fathom::gemm_configs(
        required(context, kFunction, "context")->context, read_range(range, kFunction)));
    *configs = list.data();
    *count = list.size();
  });
}
