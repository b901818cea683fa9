// A kernel function as the emulator calls it. Emulator layer, included by generated files.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "emulator/driver/kernels.hpp"

namespace fathom::emulator {

template <auto kKernel>
struct Entry;
template <typename Params, void (*kKernel)(Params)>
struct Entry<kKernel> {
  static constexpr std::size_t kParamBytes = sizeof(Params);
  static void run(const void* params, unsigned char*) {
    kKernel(*static_cast<const Params*>(params));
  }
};

/// The kernel `kKernel`, void (Params), under its name.
template <auto kKernel>
BuiltInKernel built_in(std::string name, int registers, void (*describe)(Options&)) {
  return {std::move(name), &Entry<kKernel>::run, Entry<kKernel>::kParamBytes, registers, describe};
}

}  // namespace fathom::emulator
