// The C ABI over the C++ interface: errors, tensors, contexts, casts. Front end; decides nothing.
#include <fathom/c_api.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <fathom/quantize.hpp>

#include "api/c_handles.hpp"

namespace {

using fathom::ErrorCode;
using fathom::api::check_flags;
using fathom::api::guarded;
using fathom::api::override_text;
using fathom::api::read_struct;
using fathom::api::refuse;
using fathom::api::required;
using fathom::api::view_of;

static_assert(FATHOM_NO_DEVICE == static_cast<int>(ErrorCode::kNoDevice));
static_assert(FATHOM_INTERNAL == static_cast<int>(ErrorCode::kInternal));
static_assert(FATHOM_INT64 == static_cast<int>(fathom::DType::kInt64));
static_assert(FATHOM_CUDA == static_cast<int>(fathom::DeviceType::kCuda));
static_assert(FATHOM_MAX_RANK == fathom::TensorView::kMaxRank);
static_assert(FATHOM_LOG_DEBUG == static_cast<int>(fathom::LogLevel::kDebug));
static_assert(FATHOM_BACKEND_REFERENCE == static_cast<int>(fathom::Backend::kReference));
static_assert(FATHOM_BLOCK_1X128_TRANSPOSED ==
              static_cast<int>(fathom::ScaleBlock::k1x128Transposed));

struct LastError {
  fathom_status status = FATHOM_OK;
  std::string message;
};
thread_local LastError last_error;

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

void override_options(fathom::ContextOptions& options, const fathom_context_options* given,
                      std::string_view function) {
  if (given == nullptr) return;
  const fathom_context_options c = read_struct(given, function, "fathom_context_options");
  if (c.reserved != 0) refuse("{}: reserved is {}; it needs 0", function, c.reserved);
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
  if (c.line_info != 0) options.line_info = true;
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

fathom_status fathom_dequantize(fathom_context* context, const fathom_quantize_args* args,
                                void* stream) {
  return guarded([&] {
    const fathom_quantize_args c = read_quantize(args, 0, "fathom_dequantize");
    fathom::dequantize(required(context, "fathom_dequantize", "context")->context, view_of(c.q),
                       view_of(c.scale), view_of(c.x), static_cast<fathom::ScaleBlock>(c.block),
                       static_cast<fathom::Backend>(c.backend), stream);
  });
}
