// The machine in words. Command-line layer.
#include "machine.hpp"

#include <sched.h>
#include <sys/utsname.h>

#include <fstream>

namespace fathom::cli {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown";
}

int usable_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int cpu_threads(const ContextOptions& options) {
  return options.num_threads > 0 ? options.num_threads : usable_cores();
}

Json cpu_json(const ContextOptions& options) {
  return Json{{"model", cpu_model()}, {"cores", usable_cores()}, {"threads", cpu_threads(options)}};
}

}  // namespace fathom::cli
