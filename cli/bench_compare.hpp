// fathom bench compare: two measurements side by side. Command-line layer; must not include JSON
// headers.
#pragma once

#include <optional>
#include <string>

#include "verb.hpp"

namespace fathom::cli {

/// Matches the results of two files by their problem. With `most_slower` the report fails when a
/// median of `after` is larger than that share of `before`'s, or when no problem is in both.
Report compare_benches(const std::string& before, const std::string& after,
                       std::optional<double> most_slower);

}  // namespace fathom::cli
