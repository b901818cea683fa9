// gemm and grouped_gemm: check -> plan -> bind -> launch. Front end. This is a good place to start
// reading: the life of a call is plan_gemm from top to bottom.
#include <fathom/gemm.hpp>

#include <utility>

#include "api/gemm_backend.hpp"
#include "api/gemm_check.hpp"
#include "api/gemm_explain.hpp"
#include "support/once.hpp"

namespace fathom {
namespace {

Groups make_groups(Groups::Form form, TensorView index, std::int64_t expected_m) {
  Groups groups;
  groups.form = form;
  groups.index = index;
  groups.expected_m = expected_m;
  return groups;
}

/// The backend that a checked call runs on; never kAuto.
Backend resolve(Backend wanted, Device device) {
  if (wanted != Backend::kAuto) return wanted;
  return device.type == DeviceType::kCuda ? Backend::kCuda : Backend::kCpu;
}

const api::GemmBackend& backend_of(Backend backend) {
  if (backend == Backend::kReference) return api::reference_gemm_backend();
  return backend == Backend::kCuda ? api::cuda_gemm_backend() : api::cpu_gemm_backend();
}

api::GemmCall check(const Context& context, const GemmOperands& operands,
                    const GemmOptions& options) {
  return {context, api::check_gemm(operands, options), operands, options};
}

}  // namespace

Groups Groups::offsets(TensorView offsets, std::int64_t expected_m) {
  return make_groups(Form::kOffsets, offsets, expected_m);
}

Groups Groups::row_group(TensorView row_group, std::int64_t alignment, std::int64_t expected_m) {
  Groups groups = make_groups(Form::kRowGroup, row_group, expected_m);
  groups.alignment = alignment;
  return groups;
}

Groups Groups::group_end(TensorView group_end, std::int64_t alignment, std::int64_t expected_m) {
  Groups groups = make_groups(Form::kGroupEnd, group_end, expected_m);
  groups.alignment = alignment;
  return groups;
}

Groups Groups::masked(TensorView rows, std::int64_t expected_m) {
  return make_groups(Form::kMasked, rows, expected_m);
}

struct GemmPlan::Impl {
  plan::GemmProblem problem;
  Backend backend = Backend::kAuto;
  std::unique_ptr<const api::BoundGemm> bound;

  // Made when first asked for: most plans are only launched.
  mutable support::Once explained;
  mutable std::string explanation;
};

GemmPlan plan_gemm(const Context& context, const GemmOperands& operands,
                   const GemmOptions& options) {
  api::GemmCall call = check(context, operands, options);
  auto impl = std::make_shared<GemmPlan::Impl>();
  impl->problem = call.problem;
  impl->backend = resolve(options.backend, operands.a.device);
  impl->bound = backend_of(impl->backend).bind(std::move(call));
  return GemmPlan(std::move(impl));
}

void GemmPlan::launch(void* stream) const {
  impl_->bound->launch(stream);
}

Backend GemmPlan::backend() const {
  return impl_->backend;
}

const std::string& GemmPlan::config() const {
  return impl_->bound->config();
}

const std::string& GemmPlan::explain() const {
  impl_->explained.run([this] {
    impl_->explanation = api::explain_gemm(impl_->problem, impl_->backend, *impl_->bound);
  });
  return impl_->explanation;
}

void gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options,
          void* stream) {
  if (operands.groups.form != Groups::Form::kNone) {
    throw Error(ErrorCode::kInvalidArgument,
                "gemm: groups.form is set; gemm is the dense product: call grouped_gemm, or leave "
                "groups out");
  }
  plan_gemm(context, operands, options).launch(stream);
}

void grouped_gemm(const Context& context, const GemmOperands& operands, const GemmOptions& options,
                  void* stream) {
  if (operands.groups.form == Groups::Form::kNone) {
    throw Error(ErrorCode::kInvalidArgument,
                "grouped_gemm: groups.form is none; it needs offsets, row_group, group_end or "
                "masked: make groups by "
                "Groups::offsets and its siblings, or call gemm for the dense product");
  }
  plan_gemm(context, operands, options).launch(stream);
}

std::optional<std::string> can_implement(const Context& context, const GemmOperands& operands,
                                         const GemmOptions& options) {
  try {
    const api::GemmCall call = check(context, operands, options);
    backend_of(resolve(options.backend, operands.a.device)).check(call);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace fathom
