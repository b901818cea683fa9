// What a row of a GPU benchmark says in JSON and in the table, dense or grouped. Command-line
// layer; heavy: include from .cpp files of cli/ only.
#pragma once

#include <fmt/format.h>

#include <string>

#include "bench/gpu_bench.hpp"
#include "json_report.hpp"

namespace fathom::cli {

/// `flops`, `bytes`: of one call.
inline void put_times(Json& json, const bench::Contender& ours, double flops, double bytes) {
  json["median_us"] = ours.median_us;
  json["min_us"] = ours.low_us;
  json["max_us"] = ours.high_us;
  json["round_us"] = ours.round_us;
  json["tflops"] = flops / ours.median_us * 1e-6;
  json["gb_per_s"] = bytes / ours.median_us * 1e-3;
}

/// A number of the row, or of an object in it; "-" where there is none.
inline std::string number(const Json& json, const char* name, const char* field,
                          const char* format) {
  if (!json.contains(name)) return "-";
  const Json& value = field == nullptr ? json[name] : json[name].value(field, Json());
  return value.is_number() ? fmt::format(fmt::runtime(format), value.get<double>()) : "-";
}

}  // namespace fathom::cli
