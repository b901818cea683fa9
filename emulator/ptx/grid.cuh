// device/ptx/grid.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

namespace fathom::ptx {

void wait_for_previous_grid();
void launch_next_grid();

}  // namespace fathom::ptx
