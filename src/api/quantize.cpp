// quantize and dequantize: check, then the backend. Front end.
#include <fathom/quantize.hpp>

#include <fmt/format.h>

#include <string>

#include "api/quantize_cuda.hpp"
#include "api/tensor_check.hpp"
#include "cpu/quantize.hpp"
#include "reference/quantize.hpp"

namespace fathom {
namespace {

using api::Operand;

struct Operands {
  Operand x, q, scale;
};

void check_block(std::string_view operation, ScaleBlock block) {
  switch (block) {
    case ScaleBlock::k1x128:
    case ScaleBlock::k128x128:
    case ScaleBlock::k1x128Transposed:
      return;
  }
  api::refuse(operation,
              fmt::format("block is {}; it needs one of the values of ScaleBlock, 1 to 3",
                          static_cast<std::int32_t>(block)));
}

void check_shapes(const Operands& o, ScaleBlock block) {
  const bool transposed = block == ScaleBlock::k1x128Transposed;
  check_rank(o.x, 2, "[rows, cols]");
  check_rank(o.q, 2, transposed ? "[cols, rows]" : "[rows, cols]");
  check_rank(o.scale, 2, "one scale for each block of 128 columns of q, and each row or 128 rows");
  const std::int64_t rows = o.x.extent(transposed ? 1 : 0);
  const std::int64_t cols = o.x.extent(transposed ? 0 : 1);
  check_shape(o.q, {rows, cols}, [&] {
    return fmt::format("for x of shape {}{}", shape_text(o.x.view),
                       transposed ? " cast as its transpose" : "");
  });
  const std::int64_t rows_per_scale = block == ScaleBlock::k128x128 ? 128 : 1;
  check_shape(o.scale, {(rows + rows_per_scale - 1) / rows_per_scale, (cols + 127) / 128}, [&] {
    return fmt::format("for x of shape {} and one scale per {} block of q", shape_text(o.x.view),
                       rows_per_scale == 1 ? "1 x 128" : "128 x 128");
  });
}

/// Any pitch, but contiguous rows.
void check_rows_contiguous(const Operand& operand) {
  if (operand.empty() || operand.extent(1) == 1 || operand.stride(1) == 1) return;
  api::refuse(
      operand,
      fmt::format(
          "has strides [{}, {}]; its last dimension must be contiguous (stride 1): copy it, or "
          "use the block 1x128 of the transpose for the tensor that it is the transpose of",
          operand.stride(0), operand.stride(1)));
}

/// What holds for both directions. Reads no tensor data.
void check(const Operands& o, std::initializer_list<DType> x_types, ScaleBlock block) {
  check_block(o.x.operation, block);
  check_shapes(o, block);
  check_dtype(o.x, x_types);
  check_dtype(o.q, {DType::kE4M3});
  check_dtype(o.scale, {DType::kFp32});
  for (const Operand* operand : {&o.x, &o.q, &o.scale}) {
    check_device(*operand, o.x);
    check_memory(*operand, size_of(operand->view.dtype));
  }
  check_rows_contiguous(o.x);
  check_rows_contiguous(o.q);
  api::check_scale_layout(o.scale);
}

/// What computes, never kAuto. `first` has passed check_backend.
Backend resolve(Backend wanted, const Operand& first) {
  if (wanted != Backend::kAuto) return wanted;
  return first.view.device.type == DeviceType::kCuda ? Backend::kCuda : Backend::kCpu;
}

/// Checks that kernels can reach the operands, and launches.
void run_on_gpu(const Context& context, std::initializer_list<const Operand*> operands,
                const api::CudaCast& cast, void* stream) {
  for (const Operand* o : operands)
    api::require_on_device(context, o->view, fmt::format("{}: {}", o->operation, o->name));
  api::launch_cast(context, cast, (*operands.begin())->view.device.index, stream);
}

}  // namespace

void quantize(const Context& context, const TensorView& x, const TensorView& q,
              const TensorView& scale, const QuantizeOptions& options, void* stream) {
  const Operands o{{"quantize", "x", x}, {"quantize", "q", q}, {"quantize", "scale", scale}};
  check(o, {DType::kBf16, DType::kFp16, DType::kFp32}, options.block);
  check_backend(o.x, options.backend);
  check_disjoint(o.q, o.x);
  check_disjoint(o.scale, o.x);
  check_disjoint(o.scale, o.q);
  switch (resolve(options.backend, o.x)) {
    case Backend::kCuda:
      return run_on_gpu(context, {&o.x, &o.q, &o.scale}, api::bind_quantize(x, q, scale, options),
                        stream);
    case Backend::kReference:
      return reference::quantize(x, q, scale, options.block, options.power_of_two_scales);
    default:
      return cpu::quantize(x, q, scale, options.block, options.power_of_two_scales,
                           context.options().num_threads);
  }
}

void dequantize(const Context& context, const TensorView& q, const TensorView& scale,
                const TensorView& x, ScaleBlock block, Backend backend, void* stream) {
  const Operands o{{"dequantize", "x", x}, {"dequantize", "q", q}, {"dequantize", "scale", scale}};
  check(o, {DType::kBf16, DType::kFp32}, block);
  check_backend(o.x, backend);
  check_disjoint(o.x, o.q);
  check_disjoint(o.x, o.scale);
  switch (resolve(backend, o.x)) {
    case Backend::kCuda:
      return run_on_gpu(context, {&o.x, &o.q, &o.scale}, api::bind_dequantize(q, scale, x, block),
                        stream);
    case Backend::kReference:
      return reference::dequantize(q, scale, x, block);
    default:
      return cpu::dequantize(q, scale, x, block, context.options().num_threads);
  }
}

void copy_scales(const Context& context, const TensorView& from, const TensorView& to,
                 Backend backend, void* stream) {
  const Operand source{"copy_scales", "from", from}, copy{"copy_scales", "to", to};
  const int rank = from.rank == 3 ? 3 : 2;
  for (const Operand* operand : {&source, &copy})
    check_rank(*operand, rank, rank == 3 ? "[G, rows, blocks of 128]" : "[rows, blocks of 128]");
  const auto needed = [] { return "the shape of from"; };
  if (rank == 3)
    check_shape(copy, {source.extent(0), source.extent(1), source.extent(2)}, needed);
  else
    check_shape(copy, {source.extent(0), source.extent(1)}, needed);
  for (const Operand* operand : {&source, &copy}) {
    check_dtype(*operand, {DType::kFp32});
    check_device(*operand, source);
    check_memory(*operand, size_of(DType::kFp32));
    api::check_scale_layout(*operand);
  }
  check_backend(source, backend);
  check_disjoint(copy, source);
  if (resolve(backend, source) == Backend::kCuda)
    return run_on_gpu(context, {&source, &copy}, api::bind_copy_scales(from, to), stream);
  reference::copy_scales(from, to);
}

}  // namespace fathom
