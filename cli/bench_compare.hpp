// fathom bench compare: two measurements side by side. Command-line layer; must not include JSON
// headers.
#pragma once

#include <string>

#include "verb.hpp"

namespace fathom::cli {

/// Matches the results of two files by their problem. With `most_slower` > 0 the report fails when
/// a median of `after` is larger than that share of `before`'s.
Report compare_benches(const std::string& before, const std::string& after, double most_slower);

}  // namespace fathom::cli
