// Finds the driver's functions in a loaded library. Runtime layer; used by driver.cpp alone.
#pragma once

#include <string>
#include <vector>

#include "cuda/abi.hpp"

namespace fathom::cuda {

/// Fills `api`. Returns the name of the first function that is needed and missing, or nothing.
std::string resolve_symbols(void* library, abi::Api* api);

/// The kernels that a library brings along (emulator/driver/emulator_control.h); NVIDIA's: none.
std::vector<std::string> own_kernels(void* library);

}  // namespace fathom::cuda
