// Reads ptxas' report (--ptxas-options=-v) out of a compiler's log. JIT layer; pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace fathom::jit {

struct ResourceUse {
  int registers = 0;             ///< of a thread; the largest of all functions
  std::int64_t spill_bytes = 0;  ///< spill stores plus spill loads, summed over all functions
  std::int64_t stack_bytes = 0;  ///< local memory of a thread; the largest of all functions
};

ResourceUse parse_resource_use(std::string_view log);

}  // namespace fathom::jit
