// What the GPU benchmarks, dense and grouped, say alike in their JSON. Command-line layer; heavy:
// include from .cpp files of cli/ only.
#pragma once

#include <string>

#include "bench/gpu_bench.hpp"
#include "json_report.hpp"

namespace fathom::cli {

/// The GPU, the clock and the vendor's library, and how calls are timed. `flush`: as --flush has
/// it.
Json conditions_json(const bench::BenchConditions& ran_on, const bench::GpuBenchOptions& options,
                     const std::string& flush);
/// The same in one line, without its end.
std::string conditions_text(const Json& conditions);

/// "config", and "requested_config" where several were asked for: rows of one shape differ by it
/// alone.
void put_config(Json& json, const bench::Contender& ours, const bench::GpuBenchOptions& options);

/// `flops`, `bytes`: of one call.
void put_times(Json& json, const bench::Contender& ours, double flops, double bytes);

}  // namespace fathom::cli
