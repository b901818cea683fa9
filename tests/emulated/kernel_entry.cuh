// A kernel of the gemm family as the emulator starts it. Test support; only for the emulator's
// build of device/.
#pragma once

#include "emulated/gemm_case.hpp"
#include "gemm/kernel.cuh"

namespace fathom::testing {

template <device::gemm::Config kConfig>
void entry(const void* params, unsigned char* shared) {
  device::gemm::Kernel<kConfig>::run(*static_cast<const device::gemm::Params*>(params), shared);
}

template <device::gemm::Config kConfig>
constexpr EmulatedKernel make() {
  return {kConfig, &entry<kConfig>};
}

}  // namespace fathom::testing
