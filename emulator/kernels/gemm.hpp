// What a generated GEMM kernel needs beside its text. Emulator layer, included by generated files.
#pragma once

#include "emulator/gemm.hpp"
#include "emulator/kernels/built_in.hpp"

namespace fathom::emulator {

inline void describe(const device::gemm::Config& config, Options& options) {
  const Options named = options_of(config, options.seed);
  options.regions = named.regions;
  options.role_of = named.role_of;
}

}  // namespace fathom::emulator
