// The closed set over all families. Planning layer: pure.
#include "plan/kernel_set.hpp"

#include "plan/gemm_configs.hpp"
#include "plan/quantize_configs.hpp"

namespace fathom::plan {
namespace {

KernelText text_of(const GemmConfig& config) {
  return {gemm_tag(config), gemm_kernel_name(config), gemm_source(config)};
}

KernelText text_of(const QuantizeConfig& config) {
  return {quantize_tag(config), quantize_kernel_name(config), quantize_source(config)};
}

}  // namespace

std::vector<KernelText> all_kernels() {
  std::vector<KernelText> kernels;
  for (const GemmConfig& config : gemm_configs()) kernels.push_back(text_of(config));
  for (const QuantizeConfig& config : quantize_configs()) kernels.push_back(text_of(config));
  return kernels;
}

std::optional<KernelText> find_kernel(std::string_view tag) {
  if (const auto config = find_gemm_config(tag)) return text_of(*config);
  if (const auto config = find_quantize_config(tag)) return text_of(*config);
  return std::nullopt;
}

}  // namespace fathom::plan
