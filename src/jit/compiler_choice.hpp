// Which compiler of those on this machine is used, and what to say when there is none. JIT layer.
#pragma once

#include <memory>
#include <string>

#include "jit/compiler.hpp"
#include "jit/compiler_search.hpp"

namespace fathom::jit {

struct CompilerChoice {
  std::shared_ptr<Compiler> compiler;  ///< null when there is none
  std::string
      report;  ///< without a compiler: what was looked at, what was found there, what to install
};

/// The first usable one in the order of the search. `driver_major` is the CUDA version of the
/// driver, 0 when there is none: code of a newer major version would not load. Throws
/// Error(kInvalidArgument) for a settings.compiler it does not know.
CompilerChoice choose_compiler(const CompilerSettings& settings, int driver_major);

}  // namespace fathom::jit
