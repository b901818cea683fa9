// A load-balancing plan for people: a table, bars in the terminal, a picture. Command-line layer.
#pragma once

#include <fathom/balance.hpp>
#include <string>
#include <vector>

namespace fathom::cli {

/// Loads of the GPUs in one layer over the mean, before and after.
struct GpuLoads {
  std::int64_t layer = 0;
  std::int64_t gpus_per_node = 1;
  double bound = 1;  ///< of the maximum, over the mean
  std::vector<double> before;
  std::vector<double> after;
};

/// A line for each GPU; with many GPUs, for those with the highest load before or after.
std::string balance_bars(const GpuLoads& loads);

/// The picture as SVG: bars for each GPU, before above after, the mean and the bound as lines.
std::string balance_svg(const GpuLoads& loads, const std::string& title);

}  // namespace fathom::cli
