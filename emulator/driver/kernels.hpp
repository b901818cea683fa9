// The kernels that are built into a libcuda_emulator.so. Emulator layer, driver; the generated
// files of emulator/kernels register them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emulator/launch.hpp"

namespace fathom::emulator {

struct BuiltInKernel {
  std::string name;  ///< the C name, as cuLibraryGetKernel is asked for it
  KernelEntry entry = nullptr;
  std::size_t param_bytes = 0;
  int registers = 0;                     ///< LaunchShape::registers
  void (*describe)(Options&) = nullptr;  ///< names of barriers and roles, for reports
};

/// In the order of their names.
const std::vector<BuiltInKernel>& built_in_kernels();
/// Null for a kernel that is not built in.
const BuiltInKernel* find_kernel(const std::string& name);

/// A static object of this type adds a kernel while the library is loaded.
class RegisterKernel {
 public:
  explicit RegisterKernel(BuiltInKernel kernel);
};

}  // namespace fathom::emulator
