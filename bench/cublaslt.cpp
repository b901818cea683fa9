// The part of cuBLASLt's C interface that an FP8 product needs. See cublaslt.hpp.
#include "cublaslt.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

#include <fathom/error.hpp>

namespace fathom::bench {
namespace {

// Numbers of cublasLt.h, cublas_api.h and library_types.h, CUDA 13.0; they are part of the vendor's
// ABI.
constexpr int kSuccess = 0;
constexpr int kComputeFp32 = 68;
constexpr int kTypeFp32 = 0, kTypeBf16 = 14, kTypeE4M3 = 28;
constexpr int kTranspose = 1, kNoTranspose = 0;
constexpr int kDescTransA = 3, kDescTransB = 4, kDescScaleA = 17, kDescScaleB = 18,
              kDescFastAccumulation = 25, kDescScaleModeA = 31, kDescScaleModeB = 32;
constexpr std::int32_t kModeVector128 = 4, kModeBlock128x128 = 5;
constexpr int kPreferenceWorkspace = 1;

struct Algorithm {
  std::uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  std::size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

}  // namespace

struct CublasLt::Api {
  void* library = nullptr;
  void* handle = nullptr;
  std::size_t (*get_version)();
  int (*create)(void** handle);
  int (*desc_create)(void** desc, int compute_type, int scale_type);
  int (*desc_destroy)(void* desc);
  int (*desc_set)(void* desc, int attribute, const void* value, std::size_t bytes);
  int (*layout_create)(void** layout, int type, std::uint64_t rows, std::uint64_t cols,
                       std::int64_t leading);
  int (*layout_destroy)(void* layout);
  int (*preference_create)(void** preference);
  int (*preference_destroy)(void* preference);
  int (*preference_set)(void* preference, int attribute, const void* value, std::size_t bytes);
  int (*heuristic)(void* handle, void* desc, void* a, void* b, void* c, void* d, void* preference,
                   int requested, HeuristicResult* results, int* returned);
  int (*matmul)(void* handle, void* desc, const void* alpha, const void* a, void* layout_a,
                const void* b, void* layout_b, const void* beta, const void* c, void* layout_c,
                void* d, void* layout_d, const Algorithm* algorithm, void* workspace,
                std::size_t workspace_bytes, void* stream);
};

struct CublasLt::Call::State {
  const Api* api = nullptr;
  VendorProduct product;
  void* desc = nullptr;
  // cuBLASLt is column-major: its A is our B [k, n], its B our A [k, m], its D our D [n, m].
  void* layout_b = nullptr;
  void* layout_a = nullptr;
  void* layout_d = nullptr;
  Algorithm algorithm{};
  void* workspace = nullptr;
  std::int64_t workspace_bytes = 0;

  ~State() {
    for (void* layout : {layout_a, layout_b, layout_d})
      if (layout != nullptr) api->layout_destroy(layout);
    if (desc != nullptr) api->desc_destroy(desc);
  }
};

std::unique_ptr<CublasLt> CublasLt::load(const std::vector<std::string>& files,
                                         std::string* why_not) {
  auto api = std::make_unique<Api>();
  for (const std::string& file : files) {
    api->library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (api->library != nullptr) break;
    *why_not = dlerror();
  }
  if (api->library == nullptr) return nullptr;
  const auto find = [&](auto& function, const char* name) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(api->library, name));
    if (function == nullptr) *why_not = fmt::format("libcublasLt has no {}", name);
    return function != nullptr;
  };
  const bool complete =
      find(api->get_version, "cublasLtGetVersion") && find(api->create, "cublasLtCreate") &&
      find(api->desc_create, "cublasLtMatmulDescCreate") &&
      find(api->desc_destroy, "cublasLtMatmulDescDestroy") &&
      find(api->desc_set, "cublasLtMatmulDescSetAttribute") &&
      find(api->layout_create, "cublasLtMatrixLayoutCreate") &&
      find(api->layout_destroy, "cublasLtMatrixLayoutDestroy") &&
      find(api->preference_create, "cublasLtMatmulPreferenceCreate") &&
      find(api->preference_destroy, "cublasLtMatmulPreferenceDestroy") &&
      find(api->preference_set, "cublasLtMatmulPreferenceSetAttribute") &&
      find(api->heuristic, "cublasLtMatmulAlgoGetHeuristic") && find(api->matmul, "cublasLtMatmul");
  if (!complete) return nullptr;
  if (const int result = api->create(&api->handle); result != kSuccess) {
    *why_not = fmt::format("cublasLtCreate failed with status {}", result);
    return nullptr;
  }
  return std::unique_ptr<CublasLt>(new CublasLt(std::move(api)));
}

CublasLt::CublasLt(std::unique_ptr<Api> api) : api_(std::move(api)) {}
CublasLt::~CublasLt() = default;  // the handle lives to the end of the process, with the library

std::string CublasLt::version() const {
  const std::size_t v = api_->get_version();  // 130002 for 13.0.2
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

std::unique_ptr<CublasLt::Call> CublasLt::prepare(const VendorProduct& product, void* workspace,
                                                  std::int64_t workspace_bytes,
                                                  std::string* why_not) const {
  auto state = std::make_unique<Call::State>();
  state->api = api_.get();
  state->product = product;
  state->workspace = workspace;
  state->workspace_bytes = workspace_bytes;
  int failed = api_->desc_create(&state->desc, kComputeFp32, kTypeFp32);
  const auto set = [&](int attribute, const auto& value) {
    if (failed == kSuccess) failed = api_->desc_set(state->desc, attribute, &value, sizeof value);
  };
  set(kDescTransA, kTranspose);
  set(kDescTransB, kNoTranspose);
  set(kDescScaleA, product.scale_b);
  set(kDescScaleB, product.scale_a);
  set(kDescFastAccumulation, static_cast<std::int8_t>(0));
  if (product.scaling == VendorScaling::kBlock) {
    set(kDescScaleModeA, kModeBlock128x128);
    set(kDescScaleModeB, kModeVector128);
  }
  const auto layout = [&](void** into, int type, std::int64_t rows, std::int64_t cols) {
    if (failed == kSuccess)
      failed = api_->layout_create(into, type, static_cast<std::uint64_t>(rows),
                                   static_cast<std::uint64_t>(cols), rows);
  };
  layout(&state->layout_b, kTypeE4M3, product.k, product.n);
  layout(&state->layout_a, kTypeE4M3, product.k, product.m);
  layout(&state->layout_d, kTypeBf16, product.n, product.m);
  if (failed != kSuccess) {
    *why_not =
        fmt::format("cuBLASLt refused the description of the product with status {}", failed);
    return nullptr;
  }
  void* preference = nullptr;
  api_->preference_create(&preference);
  const auto limit = static_cast<std::uint64_t>(workspace_bytes);
  api_->preference_set(preference, kPreferenceWorkspace, &limit, sizeof limit);
  HeuristicResult result{};
  int returned = 0;
  failed = api_->heuristic(api_->handle, state->desc, state->layout_b, state->layout_a,
                           state->layout_d, state->layout_d, preference, 1, &result, &returned);
  api_->preference_destroy(preference);
  if (failed != kSuccess || returned == 0) {
    *why_not = fmt::format("cuBLASLt has no algorithm for it (status {})", failed);
    return nullptr;
  }
  state->algorithm = result.algorithm;
  return std::unique_ptr<Call>(new Call(std::move(state)));
}

CublasLt::Call::Call(std::unique_ptr<State> state) : state_(std::move(state)) {}
CublasLt::Call::~Call() = default;

void CublasLt::Call::launch(void* stream) const {
  const float alpha = 1.0f, beta = 0.0f;
  const VendorProduct& p = state_->product;
  const int result = state_->api->matmul(
      state_->api->handle, state_->desc, &alpha, p.b, state_->layout_b, p.a, state_->layout_a,
      &beta, p.d, state_->layout_d, p.d, state_->layout_d, &state_->algorithm, state_->workspace,
      static_cast<std::size_t>(state_->workspace_bytes), stream);
  if (result != kSuccess)
    throw Error(
        ErrorCode::kDriver,
        fmt::format("bench: cublasLtMatmul failed with status {} for m = {}, n = {}, k = {}",
                    result, p.m, p.n, p.k));
}

}  // namespace fathom::bench
