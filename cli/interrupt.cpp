// The signal handler and the list of files it removes. Command-line layer.
#include "interrupt.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstring>

namespace fathom::cli {
namespace {

// A verb writes at most two files at a time (the result and a dump); the rest is reserve.
constexpr std::size_t kSlots = 8;

struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<bool> armed{false};
  std::array<char, PATH_MAX> path{};
};

std::array<Slot, kSlots> slots;
std::atomic<bool> print_json{false};

constexpr char kJsonMessage[] =
    "{\"schema\": 1, \"error\": {\"code\": \"interrupted\", \"message\": \"fathom: interrupted by "
    "a signal; no output "
    "was left behind\"}}\n";
constexpr char kTextMessage[] = "\nfathom: interrupted by a signal; no output was left behind\n";

extern "C" void end_interrupted(int) {
  for (Slot& slot : slots) {
    if (slot.armed.load()) unlink(slot.path.data());
  }
  ssize_t ignored = 0;
  if (print_json.exchange(false)) {
    ignored = write(STDOUT_FILENO, kJsonMessage, sizeof kJsonMessage - 1);
  }
  ignored += write(STDERR_FILENO, kTextMessage, sizeof kTextMessage - 1);
  static_cast<void>(ignored);
  _exit(kInterruptedExitCode);
}

}  // namespace

void handle_interrupts(bool json) {
  print_json = json;
  struct sigaction action {};
  action.sa_handler = end_interrupted;
  sigfillset(&action.sa_mask);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal_number, nullptr, &before);
    // nohup and background jobs of a script start with the signal ignored; it stays so.
    if (before.sa_handler != SIG_IGN) sigaction(signal_number, &action, nullptr);
  }
  // A write over RLIMIT_FSIZE then fails with EFBIG and is reported like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
}

void result_printed() {
  print_json = false;
}

int remove_on_interrupt(const std::string& path) {
  if (path.size() + 1 > PATH_MAX) return -1;
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (slots[i].taken.exchange(true)) continue;
    std::memcpy(slots[i].path.data(), path.c_str(), path.size() + 1);
    slots[i].armed = true;
    return static_cast<int>(i);
  }
  return -1;
}

void forget_on_interrupt(int slot) {
  if (slot < 0) return;
  slots[static_cast<std::size_t>(slot)].armed = false;
  slots[static_cast<std::size_t>(slot)].taken = false;
}

}  // namespace fathom::cli
