// What engines and threads do to an mbarrier. Emulator layer, inside.
#pragma once

#include "emulator/access.hpp"

namespace fathom::emulator {

/// The barrier at `at`, or null and a report.
Mbarrier* find_mbarrier(Thread& thread, const Target& at, const char* instruction);
/// One arrival.
void arrive(Thread& thread, const Target& at, Mbarrier& barrier, const char* instruction);
/// A copy that will complete bytes on the barrier begins; its landing gives the phase back.
std::uint32_t begin_transaction(Thread& thread, const Target& at, Mbarrier& barrier,
                                const char* instruction);
void complete_transaction(Thread& thread, const Target& at, std::int64_t bytes, std::uint32_t phase,
                          const char* instruction);

}  // namespace fathom::emulator
