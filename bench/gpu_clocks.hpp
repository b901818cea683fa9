// What the GPU's management library says of the card at this moment. Benchmark layer; loaded at run
// time.
#pragma once

#include <string>

namespace fathom::bench {

struct GpuState {
  bool known = false;  ///< false: no libnvidia-ml, the numbers are 0
  std::string driver;  ///< "580.159.04"
  unsigned sm_mhz = 0;
  unsigned memory_mhz = 0;
  unsigned power_watts = 0;
  unsigned temperature_c = 0;
};

/// Of the device with this ordinal in NVML's order.
GpuState read_gpu_state(int ordinal);

}  // namespace fathom::bench
