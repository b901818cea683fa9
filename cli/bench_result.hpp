// What a measurement is, whatever was measured: shared by the backends' benchmarks and by bench
// compare. Command-line layer; must not include JSON headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fathom::cli {

/// Seconds of single calls, in one place of the JSON whatever the clock was.
struct Timing {
  std::vector<double> seconds;  ///< one entry a call, ascending

  double at(double share) const;  ///< the value that `share` of the calls stay under
  double median() const { return at(0.5); }
};

struct BenchResult {
  std::int64_t m = 0, n = 0, k = 0;
  std::string layout = "dense";
  std::int64_t groups = 1;
  std::string out_dtype, scale_b, backend, config;
  std::string clock;  ///< "wall", "event", "cupti"
  Timing timing;
  std::int64_t flops = 0;  ///< 2 m n k over the rows that belong to a group
  std::int64_t bytes = 0;  ///< operands, scales and D, once each

  /// The same product by the reference's plain loops on fewer rows; 0 = not measured.
  std::int64_t loops_m = 0;
  double loops_flops_per_second = 0;
};

}  // namespace fathom::cli
