// A compiler for tests of the layers around it: no machine code, but output that tells who made it.
// Test support.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "jit/compiler.hpp"

namespace fathom::testing {

class FakeCompiler final : public jit::Compiler {
 public:
  explicit FakeCompiler(std::string identity = "fake 12.9", int cuda_major = 12)
      : identity_(std::move(identity)), cuda_major_(cuda_major) {}

  std::string identity() const override { return identity_; }
  int cuda_major() const override { return cuda_major_; }
  std::string location() const override { return "nowhere"; }

  /// A source that holds "#error" is refused.
  jit::CompileOutput compile(const jit::CompileRequest& request) override {
    ++compiles;
    std::this_thread::sleep_for(delay);
    jit::CompileOutput output;
    output.command = fmt::format("fake --gpu-architecture={}", request.architecture);
    if (request.source.find("#error") != std::string_view::npos) {
      output.log = "line 1: refused as asked";
      return output;
    }
    output.ok = true;
    output.log =
        "ptxas info    : Function properties for k\n"
        "ptxas         .     8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 168 registers, used 0 barriers\n";
    output.image = fmt::format("{} by process {} with {}", request.name, ::getpid(), identity_);
    output.image.append(image_padding, 'x');
    return output;
  }

  std::atomic<int> compiles{0};
  std::chrono::milliseconds delay{0};
  std::size_t image_padding = 0;

 private:
  std::string identity_;
  int cuda_major_;
};

}  // namespace fathom::testing
