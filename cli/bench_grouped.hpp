// fathom bench of grouped products on a Hopper GPU. Command-line layer; must not include CLI11.
#pragma once

#include <fathom/context.hpp>
#include <string>
#include <vector>

#include "bench/grouped_shapes.hpp"
#include "bench_gpu.hpp"

namespace fathom::cli {

/// The shapes of a grouped --suite; empty for others.
std::vector<bench::GroupedShape> grouped_suite_shapes(const GpuBenchFlags& flags);

Report bench_groups_on_gpu(const Context& context, const GpuBenchFlags& flags,
                           const std::vector<bench::GroupedShape>& shapes,
                           const GpuBenchRequest& request, const CommonFlags& common);

}  // namespace fathom::cli
