// The closed set of cast kernels and their source. Planning layer: pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fathom/dtype.hpp>
#include <fathom/quantize.hpp>

#include "quantize/config.hpp"

namespace fathom::plan {

using QuantizeConfig = device::quantize::Config;

/// Every operation with every type it takes: 12 kernels.
std::span<const QuantizeConfig> quantize_configs();

/// "bf16_1x128"
std::string quantize_tag(const QuantizeConfig& config);
std::optional<QuantizeConfig> find_quantize_config(std::string_view tag);
/// "fp8_quantize_" + tag
std::string quantize_kernel_name(const QuantizeConfig& config);
/// The whole text that is compiled for a config.
std::string quantize_source(const QuantizeConfig& config);

/// The kernel that casts x of this type; nothing for types that no kernel takes.
std::optional<QuantizeConfig> plan_quantize(DType x, ScaleBlock block);
std::optional<QuantizeConfig> plan_dequantize(DType x);

}  // namespace fathom::plan
