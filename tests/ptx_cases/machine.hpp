// Where the kernels of tests/ptx_cases/kernels run: a Hopper GPU (device_tests) or the emulator
// (emulated_tests). Test support.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fathom/context.hpp>

#include "cuda/device.hpp"
#include "cuda/launch.hpp"
#include "cuda/memory.hpp"
#include "cuda/tensor_map.hpp"
#include "ptx_cases/kernels/params.hpp"

namespace fathom::ptx_cases {

/// The context of this program's machine: defined once by each program.
const Context& machine_context();

/// Loaded once for the process; used by one thread.
class Machine {
 public:
  /// Throws Error when there is no such machine or the kernels do not compile.
  static Machine& instance();

  const cuda::Device& device() const { return device_; }

  /// Launches and waits.
  template <typename Params>
  void run(const std::string& kernel, const cuda::LaunchShape& shape, Params params) {
    launch(kernel, shape, &params, nullptr);
    finish();
  }
  /// `params` is read before this returns.
  void launch(const std::string& kernel, const cuda::LaunchShape& shape, void* params,
              cuda::abi::Stream stream);

  template <typename T>
  cuda::Buffer upload(const std::vector<T>& values) const {
    const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(T));
    cuda::Buffer buffer(device_, bytes);
    buffer.upload(values.data(), bytes);
    return buffer;
  }
  template <typename T>
  static std::vector<T> download(const cuda::Buffer& buffer) {
    std::vector<T> values(static_cast<std::size_t>(buffer.bytes()) / sizeof(T));
    buffer.download(values.data(), buffer.bytes());
    return values;
  }
  /// Waits for the default stream; throws Error(kDriver) when a kernel failed.
  void finish() const;
  TensorMap encode(const cuda::TensorMapSpec& spec) const;

 private:
  Machine();

  const cuda::Device& device_;
  const cuda::Library& library_;
  cuda::Buffer word_;
};

}  // namespace fathom::ptx_cases
