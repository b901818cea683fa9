// The reference backend of gemm and grouped_gemm: nothing to plan. Front end.
#include <utility>

#include <fmt/format.h>

#include "api/gemm_backend.hpp"
#include "api/gemm_check.hpp"
#include "reference/gemm.hpp"

namespace fathom::api {
namespace {

const std::string kTag = "reference";

class BoundReferenceGemm final : public BoundGemm {
 public:
  explicit BoundReferenceGemm(GemmCall call) : call_(std::move(call)) {}

  void launch(void* /*stream*/) const override { reference::gemm(call_.problem, call_.operands); }
  const std::string& config() const override { return kTag; }
  std::string plan_json() const override {
    return R"({"config": {"tag": "reference"}, "why": "asked for: FP64 loops, the specification"})";
  }

 private:
  GemmCall call_;
};

class ReferenceGemmBackend final : public GemmBackend {
 public:
  void check(const GemmCall& call) const override {
    if (call.options.config.empty() || call.options.config == kTag) return;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "{}: config is \"{}\"; the reference backend has the one config \"{}\": leave it out",
            operation_name(call.problem.form), call.options.config, kTag));
  }

  std::unique_ptr<const BoundGemm> bind(GemmCall call) const override {
    check(call);
    return std::make_unique<BoundReferenceGemm>(std::move(call));
  }
};

}  // namespace

const GemmBackend& reference_gemm_backend() {
  static const ReferenceGemmBackend backend;
  return backend;
}

}  // namespace fathom::api
