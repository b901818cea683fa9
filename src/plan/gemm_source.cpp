// Config -> kernel source: the only place where host values become device types. Planning layer:
// pure.
#include <string>
#include <type_traits>

#include "plan/gemm_configs.hpp"

namespace fathom::plan {
namespace {

template <typename Value>
std::string literal(Value value) {
  if constexpr (std::is_same_v<Value, bool>) return value ? "true" : "false";
  if constexpr (std::is_enum_v<Value>) return device::gemm::name_of(value);
  if constexpr (std::is_same_v<Value, int>) return std::to_string(value);
}

/// Asks for runs of FFMAs (jit/ffma_runs.hpp; plan does not see jit, a test compares). Two waves:
/// worth 1.7 % where the card is at its power cap; with three warpgroups every second must yield.
std::string ffma_runs_line(const GemmConfig& config) {
  constexpr int kRun = 8;  // 4 to 32 are within 0.5 %
  const bool one_factor = config.scale_b == device::gemm::ScaleB::k128x128 && !config.swap_operands;
  return config.waves() > 1 && one_factor ? "// ffma-runs: " + std::to_string(kRun) + "\n" : "";
}

}  // namespace

std::string gemm_source(const GemmConfig& config) {
  std::string fields;
  device::gemm::for_each_field(config, [&fields](const char* name, auto value) {
    fields += std::string(fields.empty() ? "    ." : ",\n    .") + name + " = " + literal(value);
  });
  return ffma_runs_line(config) +
         "#include \"gemm/kernel.cuh\"\n"
         "inline constexpr fathom::device::gemm::Config kConfig{\n" +
         fields +
         "};\n"
         "extern \"C\" __global__ void __launch_bounds__(kConfig.num_threads(), "
         "kConfig.ctas_per_sm)\n" +
         gemm_kernel_name(config) +
         "(const __grid_constant__ fathom::device::gemm::Params params) {\n"
         "  extern __shared__ __align__(1024) unsigned char smem[];\n"
         "  fathom::device::gemm::Kernel<kConfig>::run(params, smem);\n"
         "}\n";
}

}  // namespace fathom::plan
