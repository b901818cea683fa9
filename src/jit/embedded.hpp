// The files of device/, carried in the library so that the run-time compiler needs no include path.
// JIT layer; the definition is generated from the files by cmake/embed_device_sources.cmake.
#pragma once

#include <span>
#include <string_view>

namespace fathom::embedded {

struct DeviceSource {
  std::string_view name;  ///< as an #include line spells it: "gemm/kernel.cuh"
  std::string_view text;
};

/// Every .hpp and .cuh file under device/, sorted by name.
std::span<const DeviceSource> device_sources();

}  // namespace fathom::embedded
