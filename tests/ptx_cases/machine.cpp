// Compiles, loads and launches the kernels of tests/ptx_cases/kernels. Test support.
#include "ptx_cases/machine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

#include "api/cuda_runtime.hpp"

namespace fathom::embedded {
std::span<const DeviceSource> ptx_case_sources();  // generated from tests/ptx_cases/kernels
}

namespace fathom::ptx_cases {
namespace {

/// A cubin, made as the library makes those of its own kernels, with the test's text beside its
/// own.
std::string compile(const Context& context, const cuda::Driver& driver) {
  std::vector<embedded::DeviceSource> headers;
  for (const auto& sources : {embedded::device_sources(), embedded::ptx_case_sources()})
    headers.insert(headers.end(), sources.begin(), sources.end());
  jit::Builder builder(api::builder_options(context, driver.version() / 1000), headers);
  return builder.build("ptx_cases", "#include \"kernels.cuh\"\n")->image;
}

const cuda::Library& load(const Context& context, const cuda::Device& device) {
  device.require_hopper();
  const cuda::Driver& driver = device.driver();
  return driver.library("ptx cases", [&] {
    // An emulator has them built in; their names stand for their image.
    if (driver.own_kernels().empty()) return compile(context, driver);
    return fmt::format("{}", fmt::join(driver.own_kernels(), " "));
  });
}

constexpr int kSharedBytes = 48 * 1024;  // what a kernel may ask for without opting in

}  // namespace

Machine& Machine::instance() {
  static Machine& machine = *new Machine;  // no driver is called when the process ends
  return machine;
}

Machine::Machine()
    : device_(api::cuda_runtime(machine_context()).driver.device(0)),
      library_(load(machine_context(), device_)),
      word_(device_, 4) {}

void Machine::launch(const std::string& kernel, const cuda::LaunchShape& shape, void* params,
                     cuda::abi::Stream stream) {
  void* list[] = {params};
  cuda::launch(library_.function(device_, kernel, kSharedBytes), shape, stream, list);
}

void Machine::finish() const {
  std::uint32_t word = 0;
  word_.download(&word, sizeof(word));
}

TensorMap Machine::encode(const cuda::TensorMapSpec& spec) const {
  const cuda::ContextGuard guard(device_);
  cuda::abi::TensorMap encoded;
  cuda::encode_tensor_map(device_.driver(), spec, &encoded);
  TensorMap map;
  std::memcpy(&map, &encoded, sizeof(map));
  return map;
}

}  // namespace fathom::ptx_cases
