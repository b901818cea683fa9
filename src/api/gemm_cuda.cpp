// The CUDA backend of gemm and grouped_gemm: plan for the tensors' device, bind, launch. Front end.
#include "api/gemm_cuda.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "api/cuda_runtime.hpp"
#include "api/gemm_check.hpp"
#include "cuda/memory.hpp"
#include "cuda/tensor_map.hpp"
#include "reference/gemm.hpp"

namespace fathom::api {
namespace {

namespace kernel = device::gemm;

void require_addresses(const GemmCall& call, const cuda::Device& device) {
  const std::pair<const TensorView&, const char*> views[] = {
      {call.operands.a, "a"}, {call.operands.scale_a, "scale_a"},
      {call.operands.b, "b"}, {call.operands.scale_b, "scale_b"},
      {call.operands.d, "d"}, {call.operands.groups.index, "groups"}};
  for (const auto& [view, name] : views) {
    // A tensor without elements may have any address.
    if (view.num_elements() == 0) continue;
    device.require_accessible(view.data,
                              fmt::format("{}: {}", operation_name(call.problem.form), name));
  }
}

cuda::abi::TensorMapDataType element_of(kernel::MapElement element) {
  switch (element) {
    case kernel::MapElement::kU8:
      return cuda::abi::TensorMapDataType::kUint8;
    case kernel::MapElement::kFp32:
      return cuda::abi::TensorMapDataType::kFloat32;
    case kernel::MapElement::kBf16:
      return cuda::abi::TensorMapDataType::kBfloat16;
  }
  return cuda::abi::TensorMapDataType::kUint8;
}

cuda::abi::TensorMapSwizzle swizzle_of(kernel::MapSwizzle swizzle) {
  switch (swizzle) {
    case kernel::MapSwizzle::kNone:
      return cuda::abi::TensorMapSwizzle::kNone;
    case kernel::MapSwizzle::k32:
      return cuda::abi::TensorMapSwizzle::k32;
    case kernel::MapSwizzle::k64:
      return cuda::abi::TensorMapSwizzle::k64;
    case kernel::MapSwizzle::k128:
      return cuda::abi::TensorMapSwizzle::k128;
  }
  return cuda::abi::TensorMapSwizzle::kNone;
}

void encode(const cuda::Driver& driver, const char* name, const kernel::TensorMapSpec& wanted,
            const void* base, kernel::TensorMap& out) {
  if (!wanted.used) return;
  cuda::TensorMapSpec spec;
  spec.name = name;
  spec.type = element_of(wanted.element);
  spec.base = base;
  spec.rank = 2;
  spec.dims = {wanted.dims[0], wanted.dims[1]};
  spec.stride_bytes = {wanted.pitch_bytes};
  spec.box = {wanted.box[0], wanted.box[1]};
  spec.swizzle = swizzle_of(wanted.swizzle);
  spec.promotion = wanted.promote_256b ? cuda::abi::TensorMapL2Promotion::k256
                                       : cuda::abi::TensorMapL2Promotion::kNone;
  cuda::abi::TensorMap encoded;
  cuda::encode_tensor_map(driver, spec, &encoded);
  static_assert(sizeof(encoded) == sizeof(out) &&
                alignof(kernel::TensorMap) >= alignof(cuda::abi::TensorMap));
  std::memcpy(&out, &encoded, sizeof(out));
}

/// Operands for a product without blocks of k whose rows only the metadata knows: one block, in
/// which TMA finds a row of one zero and zeros outside of it, with scales of zero.
void bind_zeros(const void* zeros, kernel::TensorMapSpecs& maps, kernel::Params& params,
                const void*& a, const void*& b) {
  maps.a.dims[1] = maps.b.dims[1] = maps.b_strip.dims[1] = 1;
  a = b = zeros;
  const kernel::ScaleView none{.data = static_cast<const float*>(zeros), .count = 1};
  params.scales_of_a = params.scales_of_b = none;
}

kernel::Params bind_params(const GemmCall& call, const CudaGemm& gemm) {
  const cuda::Driver& driver = gemm.device->driver();
  const plan::GemmPlan& plan = gemm.plan;
  const GemmOperands& operands = call.operands;
  const kernel::Sizes sizes = plan::sizes_of(call.problem);
  const kernel::Pointers pointers{static_cast<const float*>(operands.scale_a.data),
                                  static_cast<const float*>(operands.scale_b.data), operands.d.data,
                                  operands.groups.index.data};
  // Without the programmatic launch there is nothing to be ahead of.
  const bool weights_early = call.options.programmatic_launch && call.options.weights_constant;
  kernel::Params params = kernel::make_params(plan.config, sizes, pointers, call.problem.accumulate,
                                              plan.order, weights_early);
  kernel::TensorMapSpecs maps = kernel::describe_tensor_maps(plan.config, sizes);
  const void *a = operands.a.data, *b = operands.b.data;
  if (call.problem.k == 0) bind_zeros(cuda::zeros(*gemm.device), maps, params, a, b);
  encode(driver, "a", maps.a, a, params.a);
  encode(driver, "b", maps.b, b, params.b);
  encode(driver, "b_strip", maps.b_strip, b, params.b_strip);
  encode(driver, "a_tail", maps.a_tail, a, params.a_tail);
  encode(driver, "b_tail", maps.b_tail, b, params.b_tail);
  if (params.scales_of_a.by_tma != 0) {
    encode(driver, "scale_a", maps.scale_a, operands.scale_a.data, params.scale_a);
  }
  if (params.scales_of_b.by_tma != 0) {
    encode(driver, "scale_b", maps.scale_b, operands.scale_b.data, params.scale_b);
  }
  encode(driver, "d", maps.d, operands.d.data, params.d);
  return params;
}

/// Throws Error(kInvalidArgument) for metadata that breaks its rules. Waits for the stream.
void check_metadata(const GemmCall& call, const cuda::Device& device, cuda::abi::Stream stream) {
  const TensorView& index = call.operands.groups.index;
  const std::int64_t bytes = index.num_elements() * size_of(index.dtype);
  std::vector<std::byte> copy(static_cast<std::size_t>(bytes));
  if (bytes > 0) cuda::copy_to_host(device, copy.data(), index.data, bytes, stream);
  Groups groups = call.operands.groups;
  groups.index.data = copy.data();
  reference::row_groups(call.problem, groups);
}

unsigned extent(std::int32_t value) {
  return static_cast<unsigned>(value);
}

class BoundCudaGemm final : public BoundGemm {
 public:
  explicit BoundCudaGemm(GemmCall call) : call_(std::move(call)), gemm_(bind_cuda_gemm(call_)) {}

  void launch(void* stream) const override {
    const auto handle = static_cast<cuda::abi::Stream>(stream);
    if (call_.options.check_metadata && call_.problem.grouped())
      check_metadata(call_, *gemm_.device, handle);
    if (gemm_.work == CudaGemmWork::kKernel) {
      // The driver reads the parameters before it returns and writes nothing.
      void* params[] = {const_cast<kernel::Params*>(&gemm_.params)};
      cuda::launch(gemm_.function, gemm_.shape, handle, params);
    } else if (gemm_.work == CudaGemmWork::kZero) {
      const plan::MatrixLayout& d = call_.problem.d;
      const std::int64_t element = size_of(call_.problem.out);
      cuda::set_zero(*gemm_.device, call_.operands.d.data, d.rows, d.cols * element,
                     d.row_stride * element, handle);
    }
  }

  const std::string& config() const override { return gemm_.tag; }
  std::string plan_json() const override {
    return plan::plan_json(plan::plan_gemm(call_.problem, device_spec(gemm_.device->info())));
  }

 private:
  GemmCall call_;
  CudaGemm gemm_;
};

class CudaGemmBackend final : public GemmBackend {
 public:
  void check(const GemmCall& call) const override { plan_cuda_gemm(call); }

  std::unique_ptr<const BoundGemm> bind(GemmCall call) const override {
    return std::make_unique<BoundCudaGemm>(std::move(call));
  }
};

}  // namespace

plan::DeviceSpec device_spec(const cuda::DeviceInfo& info) {
  return plan::device_from({.name = info.name,
                            .num_sms = info.num_sms,
                            .l2_bytes = info.l2_bytes,
                            .smem_bytes_per_cta = info.shared_bytes_per_block,
                            .max_clock_khz = info.clock_khz,
                            .kernels = info.own_kernels});
}

CudaGemm plan_cuda_gemm(const GemmCall& call) {
  CudaRuntime& runtime = cuda_runtime(call.context);
  const int index = call.operands.a.device.index;
  const cuda::Device& device = runtime.driver.device(index);
  device.require_hopper();
  CudaGemm gemm;
  gemm.device = &device;
  if (std::optional<PlannedGemm> planned = runtime.gemms.find(call.problem, index)) {
    static_cast<PlannedGemm&>(gemm) = *std::move(planned);
  } else {
    gemm.plan = plan::plan_gemm(call.problem, device_spec(device.info()));
    gemm.plan.candidates = {};
    gemm.tag = plan::gemm_tag(gemm.plan.config);
    runtime.gemms.keep(call.problem, index, gemm);
  }
  require_addresses(call, device);
  const plan::GemmProblem& problem = call.problem;
  if (gemm.plan.launches()) {
    gemm.work = CudaGemmWork::kKernel;
  } else if (problem.m > 0 && problem.n > 0 && !problem.accumulate) {
    gemm.work = CudaGemmWork::kZero;
  }
  return gemm;
}

CudaGemm bind_cuda_gemm(const GemmCall& call) {
  CudaGemm gemm = plan_cuda_gemm(call);
  if (gemm.work != CudaGemmWork::kKernel) return gemm;
  const plan::GemmPlan& plan = gemm.plan;
  const cuda::ContextGuard guard(*gemm.device);  // encoding a tensor map asks for a current context
  if (gemm.function.handle == nullptr) {
    gemm.function = load_kernel(
        call.context, *gemm.device, plan::gemm_kernel_name(plan.config),
        [&] { return plan::gemm_source(plan.config); }, plan.launch.smem_bytes);
    cuda_runtime(call.context).gemms.keep(call.problem, call.operands.a.device.index, gemm);
  }
  gemm.shape.grid.x = extent(plan.launch.grid);
  gemm.shape.block.x = extent(plan.launch.block);
  gemm.shape.cluster.x = extent(plan.launch.cluster);
  gemm.shape.shared_bytes = plan.launch.smem_bytes;
  gemm.shape.programmatic = call.options.programmatic_launch;
  gemm.params = bind_params(call, gemm);
  return gemm;
}

const GemmBackend& cuda_gemm_backend() {
  static const CudaGemmBackend backend;
  return backend;
}

}  // namespace fathom::api
