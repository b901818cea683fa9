// ptxas' report, as versions 12.3 to 13.5 print it:
//   ptxas         .     1008 bytes stack frame, 1092 bytes spill stores, 1596 bytes spill loads
//   ptxas info    : Used 168 registers, used 0 barriers, 1008 bytes cumulative stack size
// JIT layer; pure.
#include "jit/compile_log.hpp"

#include <algorithm>
#include <charconv>

namespace fathom::jit {
namespace {

/// The number that stands right before `unit` in `line`, or 0.
std::int64_t number_before(std::string_view line, std::string_view unit) {
  const std::size_t end = line.find(unit);
  if (end == std::string_view::npos) return 0;
  std::size_t begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  std::int64_t value = 0;
  std::from_chars(line.data() + begin, line.data() + end, value);
  return value;
}

}  // namespace

ResourceUse parse_resource_use(std::string_view log) {
  ResourceUse use;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    use.stack_bytes = std::max(use.stack_bytes, number_before(line, " bytes stack frame"));
    use.spill_bytes += number_before(line, " bytes spill stores");
    use.spill_bytes += number_before(line, " bytes spill loads");
    if (line.find("Used ") != std::string_view::npos) {
      use.registers = std::max(use.registers, static_cast<int>(number_before(line, " registers")));
    }
  }
  return use;
}

}  // namespace fathom::jit
