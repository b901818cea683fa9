// See bench_gpu_json.hpp.
#include "bench_gpu_json.hpp"

#include <fmt/format.h>

namespace fathom::cli {

Json conditions_json(const bench::BenchConditions& ran_on, const bench::GpuBenchOptions& options,
                     const std::string& flush) {
  Json json;
  json["gpu"] = Json{{"name", ran_on.gpu}, {"sms", ran_on.num_sms}};
  json["driver"] = ran_on.driver;
  json["driver_cuda"] = ran_on.driver_version;
  json["timer"] = ran_on.timer == "cupti" ? "kernel time (CUPTI)" : "event time";
  json["flush"] = flush;
  json["cublaslt"] = ran_on.cublaslt;
  json["cublaslt_workspace_mib"] = options.vendor_workspace_mib;
  json["rounds"] = options.rounds;
  json["iterations"] = options.iterations;
  json["seed"] = options.seed;
  return json;
}

std::string conditions_text(const Json& conditions) {
  return fmt::format("{}, {}, cuBLASLt {}, L2 flush: {}; medians of {} rounds",
                     conditions["gpu"]["name"].get<std::string>(),
                     conditions["timer"].get<std::string>(),
                     conditions["cublaslt"].get<std::string>(),
                     conditions["flush"].get<std::string>(), conditions["rounds"].get<int>());
}

void put_config(Json& json, const bench::Contender& ours, const bench::GpuBenchOptions& options) {
  json["config"] = ours.config;
  if (options.configs.size() > 1 || options.candidates > 0) json["requested_config"] = ours.config;
}

void put_times(Json& json, const bench::Contender& ours, double flops, double bytes) {
  json["median_us"] = ours.median_us;
  json["min_us"] = ours.low_us;
  json["max_us"] = ours.high_us;
  json["round_us"] = ours.round_us;
  json["tflops"] = flops / ours.median_us * 1e-6;
  json["gb_per_s"] = bytes / ours.median_us * 1e-3;
}

}  // namespace fathom::cli
