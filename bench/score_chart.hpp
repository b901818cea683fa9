// A bar chart of scores per shape as SVG. Benchmark layer; pure.
#pragma once

#include <string>
#include <vector>

namespace fathom::bench {

struct Bar {
  std::string label;
  double value = 0;  ///< 1 = level with the yardstick
};

/// One bar per entry, a line at 1. The text is the same for the same bars.
std::string score_chart(const std::string& title, const std::vector<Bar>& bars);

}  // namespace fathom::bench
