// The command `fathom`: flags in, exit code out. Command-line layer.
#pragma once

namespace fathom::cli {

/// Parses, runs the verb, prints its report or its error. Never throws.
int run_command(int argc, char** argv);

}  // namespace fathom::cli
