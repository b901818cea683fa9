// Runs a product, on the GPU by way of copies. Command-line layer.
#include "gemm_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "backend.hpp"
#include "cuda/memory.hpp"

namespace fathom::cli {
namespace {

/// Bytes from the first to past the last element.
std::int64_t span_bytes(const TensorView& view) {
  std::int64_t last = 0;
  for (std::int32_t i = 0; i < view.rank; ++i) {
    const auto axis = static_cast<std::size_t>(i);
    if (view.shape[axis] == 0) return 0;
    last += (view.shape[axis] - 1) * view.stride[axis];
  }
  return (last + 1) * size_of(view.dtype);
}

/// The operands of a call, once more in device memory.
class DeviceOperands {
 public:
  DeviceOperands(const cuda::Device& device, const GemmOperands& host, HostMemory d_memory)
      : device_(device), operands_(host) {
    d_host_ = d_memory.data != nullptr ? d_memory : HostMemory{host.d.data, span_bytes(host.d)};
    for (TensorView* view : {&operands_.a, &operands_.scale_a, &operands_.b, &operands_.scale_b}) {
      move(*view, {view->data, span_bytes(*view)});
    }
    if (operands_.groups.form != Groups::Form::kNone) {
      TensorView& index = operands_.groups.index;
      move(index, {index.data, span_bytes(index)});
    }
    move(operands_.d, d_host_);
  }

  const GemmOperands& operands() const { return operands_; }
  void bring_d_back() { buffers_.back().download(d_host_.data, d_host_.bytes); }

 private:
  void move(TensorView& view, HostMemory memory) {
    // One byte where there is none: a legal address for an empty tensor.
    cuda::Buffer buffer(device_, std::max<std::int64_t>(1, memory.bytes));
    if (memory.bytes > 0) buffer.upload(memory.data, memory.bytes);
    view.data = static_cast<char*>(buffer.data()) +
                (static_cast<char*>(view.data) - static_cast<char*>(memory.data));
    view.device = {DeviceType::kCuda, device_.info().ordinal};
    buffers_.push_back(std::move(buffer));
  }

  const cuda::Device& device_;
  GemmOperands operands_;
  HostMemory d_host_;
  std::vector<cuda::Buffer> buffers_;
};

GemmRun launch(const GemmPlan& plan) {
  const auto start = std::chrono::steady_clock::now();
  plan.launch();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {plan.backend(), plan.config(), seconds.count()};
}

GemmRun run_on_device(const Context& context, DeviceOperands& device, const GemmOptions& options) {
  GemmRun run = launch(plan_gemm(context, device.operands(), options));
  device.bring_d_back();  // waits for the kernel
  return run;
}

}  // namespace

GemmRun run_gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options,
                 HostMemory d_memory) {
  const bool may_use_gpu = options.backend == Backend::kAuto || options.backend == Backend::kCuda;
  const cuda::Device* gpu = may_use_gpu ? hopper_device(context) : nullptr;
  if (gpu != nullptr) {
    const cuda::ContextGuard guard(*gpu);
    DeviceOperands device(*gpu, operands, d_memory);
    GemmOptions on_gpu = options;
    on_gpu.backend = Backend::kCuda;
    const auto reason = can_implement(context, device.operands(), on_gpu);
    if (options.backend == Backend::kCuda || !reason) {
      return run_on_device(context, device, on_gpu);
    }
    fmt::print(stderr, "fathom: the cpu computes: {}\n", *reason);
  }
  return launch(plan_gemm(context, operands, options));
}

}  // namespace fathom::cli
