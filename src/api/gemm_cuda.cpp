// The CUDA backend of gemm and grouped_gemm. Front end.
#include "api/gemm_backend.hpp"
#include "api/gemm_check.hpp"

namespace fathom::api {
namespace {

class CudaGemmBackend final : public GemmBackend {
 public:
  void check(const GemmCall& call) const override {
    throw Error(ErrorCode::kUnsupported, std::string(operation_name(call.problem.form)) +
                                             ": a is on " + to_string(call.operands.a.device) +
                                             "; this build has no GPU kernels: copy the tensors to "
                                             "the host and use the CPU backend");
  }

  std::unique_ptr<const BoundGemm> bind(GemmCall call) const override {
    check(call);
    return nullptr;
  }
};

}  // namespace

const GemmBackend& cuda_gemm_backend() {
  static const CudaGemmBackend backend;
  return backend;
}

}  // namespace fathom::api
