// libFuzzer: the header of a safetensors file.
#include <cstddef>
#include <cstdint>

#include "fuzz/parsers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fathom::testing::drive_safetensors_header({reinterpret_cast<const char*>(data), size});
  return 0;
}
