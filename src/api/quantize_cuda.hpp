// The CUDA backend of quantize, dequantize and copy_scales. Front end, internal; operands are
// checked by quantize.cpp.
#pragma once

#include <fathom/context.hpp>
#include <fathom/quantize.hpp>

#include "plan/quantize_configs.hpp"
#include "quantize/params.hpp"

namespace fathom::api {

/// A cast for one kernel: which, and its parameters.
struct CudaCast {
  plan::QuantizeConfig config;
  device::quantize::Params params{};
  std::int64_t planes = 1;  ///< copy_scales: matrices behind one another
};

/// Pure: shapes, strides and addresses in, nothing read. Throws Error(kUnsupported) for a type that
/// no kernel takes.
CudaCast bind_quantize(const TensorView& x, const TensorView& q, const TensorView& scale,
                       const QuantizeOptions& options);
CudaCast bind_dequantize(const TensorView& q, const TensorView& scale, const TensorView& x,
                         ScaleBlock block);
CudaCast bind_copy_scales(const TensorView& from, const TensorView& to);

/// Compiles or loads the kernel on first use, then enqueues it: later calls allocate no device
/// memory and wait for nothing. Nothing is launched when q has no elements. Throws Error.
void launch_cast(const Context& context, const CudaCast& cast, int device, void* stream);

/// Throws Error(kInvalidArgument) unless `view` has no elements or lies in memory that kernels of
/// its device can reach; `name` is the operand with its operation: "quantize: x".
void require_on_device(const Context& context, const TensorView& view, std::string_view name);

}  // namespace fathom::api
