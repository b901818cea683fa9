// --backend emulator: the driver that runs kernels on this machine's cores, and its controls.
// Command-line layer; must not include CLI11 or JSON headers.
#pragma once

#include <cstdint>
#include <string>

#include "verb.hpp"

namespace fathom::cli {

/// Whether --backend names it.
bool uses_emulator(const CommonFlags& flags);

/// The libcuda_emulator.so that lies beside this program, or where `make install` puts it. Throws
/// Error(kNoDevice) that names where it was looked for.
std::string emulator_library();

/// The controls of emulator/driver/emulator_control.h in the driver that a context has loaded.
class Emulator {
 public:
  /// Throws Error(kNoDevice) when the library is no emulator.
  explicit Emulator(const std::string& library);

  void set_seed(std::uint64_t seed) const { set_seed_(seed); }
  /// "9f86d081884c7d65": equal hashes are equal schedules.
  std::string trace_hash() const;
  /// What it found since the seed was set; empty when nothing.
  std::string report() const { return report_(); }

 private:
  void (*set_seed_)(std::uint64_t);
  std::uint64_t (*trace_hash_)();
  const char* (*report_)();
};

}  // namespace fathom::cli
