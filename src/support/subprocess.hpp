// Another program, started without a shell. Support layer; POSIX.
#pragma once

#include <span>
#include <string>

namespace fathom::support {

struct ProcessResult {
  int exit_code = 0;   ///< 128 + the signal's number when a signal ended it, as shells count
  std::string output;  ///< standard output and standard error together, in the order written
};

/// Runs argv[0] (searched in PATH when it holds no slash) with these arguments and waits. Throws
/// Error(kIo) when it cannot be started, or when its exit code is lost.
ProcessResult run_process(std::span<const std::string> argv);

/// "a 'b c'": the command as a person would type it, for messages.
std::string command_text(std::span<const std::string> argv);

}  // namespace fathom::support
