// Lanes of a warp meeting in .sync instructions. Emulator layer, inside.
#pragma once

#include <functional>

#include "emulator/cluster.hpp"

namespace fathom::emulator {

using MeetingSlots = std::array<Meeting::Slot, kWarpThreads>;

/// Leaves `mine` in this lane's slot and returns when all lanes have come. The last to come calls
/// `finish` on the slots first. Returns this lane's slot as finish left it.
Meeting::Slot meet(Thread& thread, const char* instruction, const Meeting::Slot& mine,
                   const std::function<void(MeetingSlots&)>& finish);

}  // namespace fathom::emulator
