#include "emulated/kernels.hpp"
#include "gemm/kernel.cuh"

namespace fathom::testing {
namespace {

constexpr device::gemm::Config kConfig{.block_m = 128, .block_n = 128, .num_stages = 4};

void entry(const void* params, unsigned char* shared) {
  device::gemm::Kernel<kConfig>::run(*static_cast<const device::gemm::Params*>(params), shared);
}

}  // namespace

const EmulatedKernel kCompute128x128{kConfig, &entry};

}  // namespace fathom::testing
