// The closed set of GEMM kernels: every config the planner may choose, the library may compile and
// a cache may hold. Planning layer: pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gemm/config.hpp"

namespace fathom::plan {

using GemmConfig = device::gemm::Config;

/// Sorted as listed in gemm_configs.cpp; each legal by device/gemm/smem.hpp's why_illegal, each tag
/// unique.
std::span<const GemmConfig> gemm_configs();

/// "256x128_w2_s4_cn2_bf16"
std::string gemm_tag(const GemmConfig& config);

/// The config of that tag. "_bounded" behind a tag of the set gives its debug kernel, whose waits
/// give up.
std::optional<GemmConfig> find_gemm_config(std::string_view tag);

/// The C name of a config's kernel: "fp8_gemm_" + tag.
std::string gemm_kernel_name(const GemmConfig& config);

/// The whole text that is compiled for a config.
std::string gemm_source(const GemmConfig& config);

}  // namespace fathom::plan
