// The C ABI over the C++ interface: structs in, exceptions to statuses. Front end; decides nothing.
#include <fathom/c_api.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <fathom/gemm.hpp>
#include <fathom/quantize.hpp>

#include "api/c_support.hpp"

struct fathom_context {
  fathom::Context context;
};

struct fathom_gemm_plan {
  fathom::GemmPlan plan;
};

namespace {

using fathom::ErrorCode;
using fathom::api::check_flags;
using fathom::api::guarded;
using fathom::api::read_struct;
using fathom::api::refuse;
using fathom::api::required;

static_assert(FATHOM_NO_DEVICE == static_cast<int>(ErrorCode::kNoDevice));
static_assert(FATHOM_INTERNAL == static_cast<int>(ErrorCode::kInternal));
static_assert(FATHOM_INT64 == static_cast<int>(fathom::DType::kInt64));
static_assert(FATHOM_CUDA == static_cast<int>(fathom::DeviceType::kCuda));
static_assert(FATHOM_MAX_RANK == fathom::TensorView::kMaxRank);
static_assert(FATHOM_LOG_DEBUG == static_cast<int>(fathom::LogLevel::kDebug));
static_assert(FATHOM_BACKEND_REFERENCE == static_cast<int>(fathom::Backend::kReference));
static_assert(FATHOM_GROUPS_MASKED == static_cast<int>(fathom::Groups::Form::kMasked));
static_assert(FATHOM_BLOCK_1X128_TRANSPOSED ==
              static_cast<int>(fathom::ScaleBlock::k1x128Transposed));

struct LastError {
  fathom_status status = FATHOM_OK;
  std::string message;
};
thread_local LastError last_error;

fathom::TensorView view_of(const fathom_tensor& tensor) {
  fathom::TensorView view;
  view.data = tensor.data;
  view.dtype = static_cast<fathom::DType>(tensor.dtype);
  view.device = {static_cast<fathom::DeviceType>(tensor.device_type), tensor.device_index};
  view.rank = tensor.rank;
  std::copy(std::begin(tensor.shape), std::end(tensor.shape), view.shape.begin());
  std::copy(std::begin(tensor.stride), std::end(tensor.stride), view.stride.begin());
  return view;
}

fathom_tensor tensor_of(const fathom::TensorView& view) {
  fathom_tensor tensor{};
  tensor.data = view.data;
  tensor.dtype = static_cast<std::int32_t>(view.dtype);
  tensor.device_type = static_cast<std::int32_t>(view.device.type);
  tensor.device_index = view.device.index;
  tensor.rank = view.rank;
  std::copy(view.shape.begin(), view.shape.end(), tensor.shape);
  std::copy(view.stride.begin(), view.stride.end(), tensor.stride);
  return tensor;
}

void override_text(std::string& field, const char* value) {
  if (value != nullptr && value[0] != '\0') field = value;
}

void override_options(fathom::ContextOptions& options, const fathom_context_options* given,
                      std::string_view function) {
  if (given == nullptr) return;
  const fathom_context_options c = read_struct(given, function, "fathom_context_options");
  if (c.log_level < FATHOM_LOG_OFF || c.log_level > FATHOM_LOG_DEBUG) {
    refuse("{}: log_level is {}; it needs FATHOM_LOG_OFF (0) to FATHOM_LOG_DEBUG (4)", function,
           c.log_level);
  }
  if (c.num_threads != 0) options.num_threads = c.num_threads;
  if (c.log_level != FATHOM_LOG_OFF) options.log_level = static_cast<fathom::LogLevel>(c.log_level);
  if (c.log != nullptr) {
    options.log = [log = c.log, user_data = c.log_user_data](fathom::LogLevel level,
                                                             std::string_view message) {
      log(user_data, static_cast<std::int32_t>(level), std::string(message).c_str());
    };
  }
  if (c.cache_limit_mib != 0)
    options.cache_limit_mib = std::max<std::int64_t>(c.cache_limit_mib, 0);
  override_text(options.cache_dir, c.cache_dir);
  override_text(options.system_cache_dir, c.system_cache_dir);
  override_text(options.compiler, c.compiler);
  override_text(options.libcuda, c.libcuda);
  override_text(options.nvrtc, c.nvrtc);
  override_text(options.openblas, c.openblas);
  override_text(options.site_packages, c.site_packages);
}

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

fathom_quantize_args read_quantize(const fathom_quantize_args* given, std::uint64_t known_flags,
                                   std::string_view function) {
  fathom_quantize_args c = read_struct(given, function, "fathom_quantize_args");
  check_flags(c.flags, known_flags, function);
  if (c.block == 0) c.block = FATHOM_BLOCK_1X128;
  return c;
}

}  // namespace

fathom_status fathom::api::fail(ErrorCode code, const char* message) noexcept {
  last_error.status = static_cast<fathom_status>(code);
  try {
    last_error.message = message;
  } catch (const std::bad_alloc&) {
    last_error.message.clear();  // needs no memory
  }
  return last_error.status;
}

const char* fathom_status_name(fathom_status status) {
  // Literals, so they end with NUL.
  return status == FATHOM_OK ? "ok" : fathom::to_string(static_cast<ErrorCode>(status)).data();
}

const char* fathom_last_error_message(void) {
  return last_error.message.c_str();
}
fathom_status fathom_last_error_status(void) {
  return last_error.status;
}

int32_t fathom_abi_version(void) {
  return FATHOM_ABI_VERSION;
}
const char* fathom_version(void) {
  return fathom::version().data();
}
const char* fathom_commit(void) {
  return fathom::commit().data();
}

fathom_tensor fathom_vector(const void* data, int32_t dtype, int64_t size) {
  return tensor_of(fathom::TensorView::vector(data, static_cast<fathom::DType>(dtype), size));
}

fathom_tensor fathom_matrix(const void* data, int32_t dtype, int64_t rows, int64_t cols,
                            int64_t pitch) {
  return tensor_of(
      fathom::TensorView::matrix(data, static_cast<fathom::DType>(dtype), rows, cols, pitch));
}

fathom_tensor fathom_batch(const void* data, int32_t dtype, int64_t batch, int64_t rows,
                           int64_t cols, int64_t pitch, int64_t batch_stride) {
  return tensor_of(fathom::TensorView::batch(data, static_cast<fathom::DType>(dtype), batch, rows,
                                             cols, pitch, batch_stride));
}

fathom_tensor fathom_transposed(fathom_tensor tensor) {
  return tensor_of(view_of(tensor).transposed());
}

fathom_status fathom_context_create(const fathom_context_options* options,
                                    fathom_context** context) {
  return guarded([&] {
    required(context, "fathom_context_create", "context");
    fathom::ContextOptions made;
    override_options(made, options, "fathom_context_create");
    *context = new fathom_context{fathom::Context(std::move(made))};
  });
}

fathom_status fathom_context_from_env(const fathom_context_options* overrides,
                                      fathom_context** context) {
  return guarded([&] {
    required(context, "fathom_context_from_env", "context");
    fathom::ContextOptions made = fathom::ContextOptions::from_env();
    override_options(made, overrides, "fathom_context_from_env");
    *context = new fathom_context{fathom::Context(std::move(made))};
  });
}

void fathom_context_destroy(fathom_context* context) {
  delete context;
}

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

fathom_status fathom_quantize(fathom_context* context, const fathom_quantize_args* args,
                              void* stream) {
  return guarded([&] {
    const fathom_quantize_args c =
        read_quantize(args, FATHOM_QUANTIZE_POWER_OF_TWO_SCALES, "fathom_quantize");
    fathom::QuantizeOptions options;
    options.block = static_cast<fathom::ScaleBlock>(c.block);
    options.power_of_two_scales = (c.flags & FATHOM_QUANTIZE_POWER_OF_TWO_SCALES) != 0;
    options.backend = static_cast<fathom::Backend>(c.backend);
    fathom::quantize(required(context, "fathom_quantize", "context")->context, view_of(c.x),
                     view_of(c.q), view_of(c.scale), options, stream);
  });
}

fathom_status fathom_dequantize(fathom_context* context, const fathom_quantize_args* args,
                                void* stream) {
  return guarded([&] {
    const fathom_quantize_args c = read_quantize(args, 0, "fathom_dequantize");
    fathom::dequantize(required(context, "fathom_dequantize", "context")->context, view_of(c.q),
                       view_of(c.scale), view_of(c.x), static_cast<fathom::ScaleBlock>(c.block),
                       static_cast<fathom::Backend>(c.backend), stream);
  });
}

fathom_status fathom_copy_scales(fathom_context* context, const fathom_tensor* from,
                                 const fathom_tensor* to, int32_t backend, void* stream) {
  return guarded([&] {
    constexpr std::string_view kFunction = "fathom_copy_scales";
    fathom::copy_scales(required(context, kFunction, "context")->context,
                        view_of(*required(from, kFunction, "from")),
                        view_of(*required(to, kFunction, "to")),
                        static_cast<fathom::Backend>(backend), stream);
  });
}
