// fathom bench compare: two measurements side by side. Command-line layer; must not include JSON
// headers.
#pragma once

#include <optional>
#include <string>

#include "verb.hpp"

namespace fathom::cli {

/// Matches the results of two files by their problem. The report fails when no problem has a time
/// in both, when one has an error in `after` alone, and with `most_slower` when a median of `after`
/// is larger than that share of `before`'s.
Report compare_benches(const std::string& before, const std::string& after,
                       std::optional<double> most_slower);

}  // namespace fathom::cli
