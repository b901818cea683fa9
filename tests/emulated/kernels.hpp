// The kernels that the emulated tests run: a config of each family. Each is compiled in a file of
// its own (kernel_*.cpp), so that they compile side by side. Test support.
#pragma once

#include "emulated/dense_case.hpp"

namespace fathom::testing {

extern const EmulatedKernel kCompute128x128;

}  // namespace fathom::testing
