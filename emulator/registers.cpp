// setmaxnreg: registers that the warps of a CTA give back and take. Emulator layer, inside.
#include <fmt/format.h>

#include "emulator/ptx/thread.cuh"
#include "emulator/warp.hpp"

namespace fathom::emulator {
namespace {

// PTX ISA, setmaxnreg.
constexpr int kLeast = 24;
constexpr int kMost = 256;
constexpr int kStep = 8;

/// All lanes have come: checks the request and, where registers are given back, does it.
void begin(Thread& thread, int registers, bool more) {
  Warp& warp = *thread.warp;
  Cta& cta = *thread.cta;
  const char* instruction = more ? "setmaxnreg.inc" : "setmaxnreg.dec";
  if (registers < kLeast || registers > kMost || registers % kStep != 0)
    thread.cluster->report(
        FindingKind::kRegisterBudget, &thread,
        fmt::format("{} to {}; it needs a multiple of 8 from 24 to 256", instruction, registers));
  if (more ? registers < warp.registers : registers > warp.registers)
    thread.cluster->report(FindingKind::kRegisterBudget, &thread,
                           fmt::format("{} to {} in a warp that has {} registers a thread",
                                       instruction, registers, warp.registers));
  if (more) return;
  cta.free_registers += (warp.registers - registers) * kWarpThreads;
  warp.registers = registers;
  thread.cluster->wake(cta.register_waiters);
}

}  // namespace
}  // namespace fathom::emulator

void fathom::ptx::setmaxnreg(int registers, bool more) {
  using namespace fathom::emulator;
  Thread& thread = self();
  meet(thread, more ? "setmaxnreg.inc" : "setmaxnreg.dec", {},
       [&](MeetingSlots&) { begin(thread, registers, more); });
  Warp& warp = *thread.warp;
  Cta& cta = *thread.cta;
  while (more && warp.registers < registers) {
    const int wanted = (registers - warp.registers) * kWarpThreads;
    if (cta.free_registers >= wanted) {
      cta.free_registers -= wanted;
      warp.registers = registers;
      thread.cluster->wake(cta.register_waiters);
    } else {
      thread.cluster->block(thread,
                            {Wait::For::kRegisters, static_cast<std::uint32_t>(registers), 0},
                            cta.register_waiters);
    }
  }
}
