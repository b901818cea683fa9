// The machine in words, for info and for measurements. Command-line layer; heavy: include from .cpp
// files of cli/ only.
#pragma once

#include <string>

#include "json_report.hpp"

namespace fathom::cli {

std::string cpu_model();

/// Cores that this process may use.
int usable_cores();

/// The threads that the CPU backend uses with these options.
int cpu_threads(const ContextOptions& options);

/// {"model", "cores", "threads"}
Json cpu_json(const ContextOptions& options);

}  // namespace fathom::cli
