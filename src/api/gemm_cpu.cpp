// The CPU backend of gemm and grouped_gemm. Front end.
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/context_impl.hpp"
#include "api/gemm_backend.hpp"
#include "cpu/blas.hpp"
#include "cpu/gemm.hpp"

namespace fathom::api {
namespace {

cpu::Blas& blas_of(const GemmCall& call) {
  Context::Impl& context = call.context.impl();
  return context.blas.get([&] {
    return std::make_shared<cpu::Blas>(context.options.openblas, context.options.site_packages);
  });
}

cpu::GemmPlan plan_of(const GemmCall& call) {
  return cpu::plan_gemm(call.problem, call.context.options().num_threads);
}

class BoundCpuGemm final : public BoundGemm {
 public:
  explicit BoundCpuGemm(GemmCall call)
      : call_(std::move(call)), plan_(plan_of(call_)), blas_(blas_of(call_)) {
    blas_.load();
  }

  void launch(void* /*stream*/) const override {
    cpu::gemm(call_.problem, plan_, call_.operands, blas_);
  }
  const std::string& config() const override { return plan_.tag; }
  std::string plan_json() const override {
    nlohmann::ordered_json json;
    json["config"] = {{"tag", plan_.tag},
                      {"block_m", plan_.block_m},
                      {"block_n", plan_.block_n},
                      {"block_k", plan_.block_k},
                      {"threads", plan_.threads}};
    json["library"] = blas_.library();
    json["why"] = call_.options.config.empty()
                      ? "blocks that fit a core's cache, enough of them for the threads"
                      : "asked for by its tag";
    return json.dump();
  }

 private:
  GemmCall call_;
  cpu::GemmPlan plan_;
  cpu::Blas& blas_;
};

class CpuGemmBackend final : public GemmBackend {
 public:
  void check(const GemmCall& call) const override {
    plan_of(call);
    blas_of(call).load();
  }

  std::unique_ptr<const BoundGemm> bind(GemmCall call) const override {
    return std::make_unique<BoundCpuGemm>(std::move(call));
  }
};

}  // namespace

const GemmBackend& cpu_gemm_backend() {
  static const CpuGemmBackend backend;
  return backend;
}

}  // namespace fathom::api
