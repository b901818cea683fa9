// The machine in words, for info and for measurements. Command-line layer; heavy: include from .cpp
// files of cli/ only.
#pragma once

#include <string>

#include "json_report.hpp"

namespace fathom::cli {

std::string cpu_model();

/// {"model", "cores", "threads"}, the options as a Context holds them.
Json cpu_json(const ContextOptions& options);

}  // namespace fathom::cli
