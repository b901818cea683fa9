// The vendor's FP8 product as a yardstick: cuBLASLt 13 with the same 1x128 / 128x128 scales, or
// with one scale per tensor. Benchmark layer; loaded at run time and not needed by anything else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fathom::bench {

enum class VendorScaling { kBlock, kTensor };

/// D [m, n] bf16 = A [m, k] e4m3 * B [n, k]^T e4m3, all row-major and dense.
struct VendorProduct {
  VendorScaling scaling = VendorScaling::kTensor;
  std::int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  /// kBlock: fp32 [K'][m], m contiguous. kTensor: one fp32.
  const void* scale_a = nullptr;
  /// kBlock: fp32 [N'][K' rounded up to 4], K' contiguous. kTensor: one fp32.
  const void* scale_b = nullptr;
};

class CublasLt {
 public:
  /// cuBLASLt from `files` (the first that loads), or nothing and the reason in `why_not`.
  static std::unique_ptr<CublasLt> load(const std::vector<std::string>& files,
                                        std::string* why_not);
  ~CublasLt();

  /// "13.0.2"
  std::string version() const;

  /// A product whose algorithm is chosen: launch it as often as needed.
  class Call;
  /// Null and the reason in `why_not` when cuBLASLt refuses this product (m = 1 with block scales,
  /// for one).
  std::unique_ptr<Call> prepare(const VendorProduct& product, void* workspace,
                                std::int64_t workspace_bytes, std::string* why_not) const;

 private:
  struct Api;
  explicit CublasLt(std::unique_ptr<Api> api);
  std::unique_ptr<Api> api_;
};

class CublasLt::Call {
 public:
  ~Call();
  /// Enqueues the product on a CUstream. Throws Error(kDriver).
  void launch(void* stream) const;

 private:
  friend class CublasLt;
  struct State;
  explicit Call(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fathom::bench
