// What a verb of the command line gets and gives. Command-line layer; must not include CLI11 or
// JSON headers.
//
// A verb is one file with one function add_<verb>: it declares its flags on a CLI::App and returns
// the action that runs when the verb was given. The action throws Error, or returns a Report; it
// prints nothing on standard output itself.
#pragma once

#include <cstdint>
#include <fathom/context.hpp>
#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace fathom::cli {

/// The flags that every verb has.
struct CommonFlags {
  bool json = false;
  std::string backend = "auto";
  std::uint64_t seed = 1;
  std::string command_line;  ///< as it was given, for outputs that name their command
};

/// The answer of a verb, in both forms.
struct Report {
  std::string json;    ///< one object with "schema": 1
  std::string text;    ///< for people; ends with a newline
  bool passed = true;  ///< false: a check failed, exit code 1
};

using Action = std::function<Report(const CommonFlags&)>;

Action add_info(CLI::App& verb);
Action add_plan(CLI::App& verb);
Action add_schedule(CLI::App& verb);
Action add_quantize(CLI::App& verb);
Action add_run(CLI::App& verb);
Action add_verify(CLI::App& verb);
Action add_bench(CLI::App& verb);
Action add_balance(CLI::App& verb);
Action add_compile(CLI::App& verb);
Action add_cache(CLI::App& verb);

}  // namespace fathom::cli
