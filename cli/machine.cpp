// The machine in words. Command-line layer.
#include "machine.hpp"

#include <sys/utsname.h>

#include <fstream>

#include "cpu/parallel.hpp"

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

Json cpu_json(const ContextOptions& options) {
  return Json{
      {"model", cpu_model()}, {"cores", cpu::usable_cores()}, {"threads", options.num_threads}};
}

}  // namespace fathom::cli
