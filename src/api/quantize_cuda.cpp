// The CUDA backend of quantize, dequantize and copy_scales: bind, load, launch. Front end.
#include "api/quantize_cuda.hpp"

#include <fmt/format.h>

#include "api/cuda_runtime.hpp"
#include "cuda/device.hpp"
#include "cuda/launch.hpp"

namespace fathom::api {
namespace {

namespace kernel = device::quantize;

/// q's rows and columns, and where x's element of the same place lies.
void set_x_and_q(kernel::Params& p, const TensorView& x, const TensorView& q, ScaleBlock block) {
  const bool transposed = block == ScaleBlock::k1x128Transposed;
  p.x = x.data;
  // The last dimension is contiguous, or has one element and a stride without meaning.
  p.x_row_stride = transposed ? 1 : x.stride[0];
  p.x_col_stride = transposed ? x.stride[0] : 1;
  p.q = q.data;
  p.q_pitch = q.stride[0];
  p.rows = q.shape[0];
  p.cols = q.shape[1];
}

void set_scale(kernel::Params& p, const TensorView& scale) {
  p.scale = static_cast<float*>(scale.data);
  p.scale_row_stride = scale.stride[0];
  p.scale_col_stride = scale.stride[1];
}

plan::QuantizeConfig required(const std::optional<plan::QuantizeConfig>& config,
                              const char* operation, const TensorView& x) {
  if (config) return *config;
  throw Error(ErrorCode::kUnsupported, fmt::format("{}: x is {}; no GPU kernel takes that type",
                                                   operation, to_string(x.dtype)));
}

}  // namespace

CudaCast bind_quantize(const TensorView& x, const TensorView& q, const TensorView& scale,
                       const QuantizeOptions& options) {
  CudaCast cast{required(plan::plan_quantize(x.dtype, options.block), "quantize", x)};
  set_x_and_q(cast.params, x, q, options.block);
  set_scale(cast.params, scale);
  cast.params.power_of_two = options.power_of_two_scales ? 1 : 0;
  kernel::choose_vectors(cast.config, cast.params);
  return cast;
}

CudaCast bind_dequantize(const TensorView& q, const TensorView& scale, const TensorView& x,
                         ScaleBlock block) {
  CudaCast cast{required(plan::plan_dequantize(x.dtype), "dequantize", x)};
  set_x_and_q(cast.params, x, q, block);
  set_scale(cast.params, scale);
  cast.params.rows_per_scale = block == ScaleBlock::k128x128 ? kernel::kBlock : 1;
  return cast;
}

CudaCast bind_copy_scales(const TensorView& from, const TensorView& to) {
  const auto row = static_cast<std::size_t>(to.rank - 2), col = row + 1;
  CudaCast cast{{kernel::Operation::kCopyScales, kernel::Element::kFp32}};
  kernel::Params& p = cast.params;
  if (to.rank == 3) {
    cast.planes = to.shape[0];
    p.from_plane_stride = from.stride[0];
    p.scale_plane_stride = to.stride[0];
  }
  p.scale = static_cast<float*>(to.data);
  p.scale_row_stride = to.stride[row];
  p.scale_col_stride = to.stride[col];
  p.scale_from = static_cast<const float*>(from.data);
  p.from_row_stride = from.stride[row];
  p.from_col_stride = from.stride[col];
  p.rows = to.shape[row];
  p.cols = to.shape[col];
  return cast;
}

void launch_cast(const Context& context, const CudaCast& cast, int device_index, void* stream) {
  if (cast.params.rows == 0 || cast.params.cols == 0 || cast.planes == 0) return;
  const kernel::Launch shape =
      kernel::launch_of(cast.config, cast.params.rows, cast.params.cols, cast.planes);
  constexpr std::int64_t kMaxGrid = 2147483647;  // CUDA guide, technical specifications: grid, x
  if (shape.grid > kMaxGrid)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("quantize: a tensor of {} x {} takes {} blocks of threads; a launch "
                            "has at most {}: cast "
                            "it in parts",
                            cast.params.rows, cast.params.cols, shape.grid, kMaxGrid));
  const cuda::Device& device = cuda_runtime(context).driver.device(device_index);
  device.require_hopper();
  const cuda::Function function = load_kernel(
      context, device, plan::quantize_kernel_name(cast.config),
      [&] { return plan::quantize_source(cast.config); }, shape.smem_bytes);
  cuda::LaunchShape launch;
  launch.grid.x = static_cast<unsigned>(shape.grid);
  launch.block.x = static_cast<unsigned>(shape.block);
  launch.shared_bytes = shape.smem_bytes;
  // The driver reads the parameters before it returns and writes nothing.
  void* params[] = {const_cast<kernel::Params*>(&cast.params)};
  cuda::launch(function, launch, static_cast<cuda::abi::Stream>(stream), params);
}

void require_on_device(const Context& context, const TensorView& view, std::string_view name) {
  if (view.num_elements() == 0) return;
  const cuda::Device& device = cuda_runtime(context).driver.device(view.device.index);
  device.require_hopper();
  device.require_accessible(view.data, name);
}

}  // namespace fathom::api
