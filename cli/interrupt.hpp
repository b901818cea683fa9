// What an interrupt leaves behind: nothing. Command-line layer; the handler uses async-signal-safe
// calls only.
#pragma once

#include <string>

namespace fathom::cli {

/// The exit code after SIGINT, SIGTERM or SIGHUP.
inline constexpr int kInterruptedExitCode = 130;

/// Installs the handlers: temporary files are removed, with `json` an error object is printed
/// (unless a result was printed before), and the process ends with kInterruptedExitCode.
void handle_interrupts(bool json);

/// From here on an interrupt prints no error object: standard output holds, or is getting, the one
/// object.
void result_printed();

/// Has the handler remove this file. Returns a slot for forget_on_interrupt, or -1 when all slots
/// are taken.
int remove_on_interrupt(const std::string& path);
void forget_on_interrupt(int slot);

}  // namespace fathom::cli
