// The entry point of the command `fathom`. Everything else is in command_line.cpp, where tests can
// link it.
#include "command_line.hpp"

int main(int argc, char** argv) {
  return fathom::cli::run_command(argc, argv);
}
