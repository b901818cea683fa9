// libFuzzer: a groups file.
#include <cstddef>
#include <cstdint>

#include "fuzz/parsers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fathom::testing::drive_groups_file({reinterpret_cast<const char*>(data), size});
  return 0;
}
