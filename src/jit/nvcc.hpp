// nvcc as the run-time compiler, on request only (FATHOM_COMPILER=nvcc). JIT layer.
#pragma once

#include <filesystem>
#include <string>

#include "jit/compiler.hpp"

namespace fathom::jit {

/// Runs nvcc without a shell in a temporary directory that holds the headers.
class Nvcc final : public Compiler {
 public:
  /// Asks `nvcc --version`. Throws Error(kCompileFailed) when it does not answer as nvcc.
  explicit Nvcc(std::filesystem::path nvcc);

  std::string identity() const override { return identity_; }
  int cuda_major() const override { return major_; }
  std::string location() const override { return nvcc_.native(); }
  CompileOutput compile(const CompileRequest& request) override;

 private:
  std::filesystem::path nvcc_;
  std::string identity_;  // "nvcc 13.0.88"
  int major_ = 0;
};

/// "... release 13.0, V13.0.88" -> "13.0.88"; empty when the text holds no such thing.
std::string parse_nvcc_version(const std::string& text);

/// Writes `source` as directory/file_name and the headers under their names beside it, so that `-I
/// directory` finds them.
void write_sources(const std::filesystem::path& directory, const std::string& file_name,
                   const CompileRequest& request);

}  // namespace fathom::jit
