// Programmatic dependent launch: this grid and its neighbours in the stream. PTX layer: one
// instruction, one function; includes only base/. Both instructions do nothing in a grid that was
// launched without the attribute, or whose successor was.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

/// griddepcontrol.wait: until the grids before this one have ended and their writes are visible.
FATHOM_DEVICE void wait_for_previous_grid() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}

/// griddepcontrol.launch_dependents: the next grid may start once every CTA of this one has said so
/// or ended. Promises nothing about this grid's writes: the next one waits for those.
FATHOM_DEVICE void launch_next_grid() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

}  // namespace fathom::ptx
