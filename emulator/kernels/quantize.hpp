// Names for the reports of cast kernels: they have one role and scratch memory without parts.
// Emulator layer, included by generated files.
#pragma once

#include "emulator/kernels/built_in.hpp"
#include "quantize/config.hpp"

namespace fathom::emulator {

inline void describe(const device::quantize::Config& config, Options& options) {
  if (config.smem_bytes() > 0) options.regions.push_back({"scratch", 0, config.smem_bytes(), 1});
}

}  // namespace fathom::emulator
