// See gpu_clocks.hpp.
#include "gpu_clocks.hpp"

#include "support/shared_library.hpp"

namespace fathom::bench {
namespace {

// Numbers of nvml.h (driver 470 and later): part of the driver's ABI.
constexpr unsigned kClockSm = 1, kClockMemory = 2, kTemperatureGpu = 0;

struct Nvml {
  int (*device)(unsigned index, void** handle);
  int (*clock)(void* handle, unsigned type, unsigned* mhz);
  int (*power)(void* handle, unsigned* milliwatts);
  int (*temperature)(void* handle, unsigned sensor, unsigned* celsius);
  int (*driver_version)(char* text, unsigned length);
  bool ready = false;
};

Nvml load_nvml() {
  Nvml nvml{};
  std::string why;
  const auto library = support::SharedLibrary::open("libnvidia-ml.so.1", why);
  if (!library) return nvml;
  const auto init = library->function<int()>("nvmlInit_v2");
  nvml.device = library->function<int(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
  nvml.clock = library->function<int(void*, unsigned, unsigned*)>("nvmlDeviceGetClockInfo");
  nvml.power = library->function<int(void*, unsigned*)>("nvmlDeviceGetPowerUsage");
  nvml.temperature = library->function<int(void*, unsigned, unsigned*)>("nvmlDeviceGetTemperature");
  nvml.driver_version = library->function<int(char*, unsigned)>("nvmlSystemGetDriverVersion");
  nvml.ready = init != nullptr && nvml.device != nullptr && nvml.clock != nullptr &&
               nvml.power != nullptr && nvml.temperature != nullptr &&
               nvml.driver_version != nullptr && init() == 0;
  return nvml;
}

}  // namespace

GpuState read_gpu_state(int ordinal) {
  static const Nvml nvml = load_nvml();
  GpuState state;
  void* handle = nullptr;
  if (!nvml.ready || nvml.device(static_cast<unsigned>(ordinal), &handle) != 0) return state;
  char text[96] = {};
  if (nvml.driver_version(text, sizeof text) == 0) state.driver = text;
  nvml.clock(handle, kClockSm, &state.sm_mhz);
  nvml.clock(handle, kClockMemory, &state.memory_mhz);
  unsigned milliwatts = 0;
  nvml.power(handle, &milliwatts);
  state.power_watts = milliwatts / 1000;
  nvml.temperature(handle, kTemperatureGpu, &state.temperature_c);
  state.known = true;
  return state;
}

}  // namespace fathom::bench
