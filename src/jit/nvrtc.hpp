// NVIDIA's run-time compiler, loaded at first use. JIT layer.
#pragma once

#include <memory>
#include <string>

#include "jit/compiler.hpp"
#include "jit/compiler_search.hpp"
#include "support/once.hpp"

namespace fathom::jit {

/// One libnvrtc. Finding out what it is reads a few bytes of the file; loading it (0.1 to 0.2 s)
/// waits for the first compile. Its functions may run in several threads at once (measured:
/// docs/jit_cache.md).
class Nvrtc final : public Compiler {
 public:
  /// 12.3 is the first that builds the kernels; 13 is the last major whose interface and file names
  /// are known.
  static constexpr int kOldestMajor = 12;
  static constexpr int kOldestMinor = 3;
  static constexpr int kNewestMajor = 13;

  explicit Nvrtc(NvrtcFiles files);
  ~Nvrtc() override;

  std::string identity() const override;
  int cuda_major() const override;
  std::string location() const override;
  CompileOutput compile(const CompileRequest& request) override;

  /// Why this library cannot be used with a driver of CUDA `driver_major` (0 = no driver in sight);
  /// empty when it can. Loads it only when the file names do not tell its version.
  std::string unusable(int driver_major);

 private:
  struct Functions;
  /// Throws Error(kCompileFailed) when it does not load.
  const Functions& functions();

  NvrtcFiles files_;
  std::string fingerprint_;
  support::Once loaded_;
  std::unique_ptr<Functions> functions_;
};

}  // namespace fathom::jit
