// A plan as text: JSON for programs, a table for people, a sentence for both. Planning layer: pure.
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "plan/gemm_planner.hpp"

namespace fathom::plan {
namespace {

template <typename Value>
std::string json_value(Value value) {
  if constexpr (std::is_same_v<Value, device::gemm::Skeleton>)
    return value == device::gemm::Skeleton::kStream     ? "\"stream\""
           : value == device::gemm::Skeleton::kResident ? "\"resident\""
                                                        : "\"compute\"";
  else if constexpr (std::is_same_v<Value, device::gemm::Output>)
    return value == device::gemm::Output::kFp32 ? "\"fp32\"" : "\"bf16\"";
  else if constexpr (std::is_same_v<Value, device::gemm::ScaleB>)
    return value == device::gemm::ScaleB::k1x128 ? "\"1x128\"" : "\"128x128\"";
  else
    return fmt::format("{}", value);
}

std::string config_json(const GemmConfig& config) {
  std::string text =
      fmt::format(R"({{"tag":"{}","kernel":"{}")", gemm_tag(config), gemm_kernel_name(config));
  device::gemm::for_each_field(config, [&text](const char* name, auto value) {
    // The field's word for it: what A and B are to wgmma.
    const bool swap = std::string_view(name) == "swap_operands";
    text += fmt::format(R"(,"{}":{})", swap ? "swap_ab" : name, json_value(value));
  });
  return text + "}";
}

std::string candidate_json(const GemmCandidate& candidate) {
  const GemmCost& c = candidate.cost;
  return fmt::format(
      R"({{"tag":"{}","cost_us":{:.3f},"bound_by":"{}","tiles":{},"steps":{},"grid":{},"cost":{{"start_us":{:.3f},)"
      R"("tensor_us":{:.3f},"latency_us":{:.3f},"ring_us":{:.3f},"l2_us":{:.3f},"hbm_us":{:.3f},"epilogue_us":{:.3f}}}}})",
      gemm_tag(candidate.config), c.total_us, bound_by(c), c.tiles, c.steps, candidate.launch.grid,
      c.start_us, c.tensor_us, c.latency_us, c.ring_us, c.l2_us, c.hbm_us, c.epilogue_us);
}

/// What the planner took a grouped problem for, and how its tile takes the rows.
std::string work_text(const GemmPlan& plan) {
  const GemmConfig& c = plan.config;
  if (!c.grouped) return {};
  std::string text = fmt::format("; {} {:.4g} rows in each of {:.4g} groups",
                                 plan.hinted ? "told to expect" : "without a hint expecting",
                                 plan.work.rows_per_group(), plan.work.groups);
  if (c.swap_operands)
    return text + fmt::format(
                      ", operands swapped: the rows fill wgmma's n side ({} of them at a "
                      "time), not its 64-row side",
                      c.block_m);
  return text + fmt::format(", {} rows a tile on wgmma's 64-row side", c.block_m);
}

}  // namespace

std::string why_text(const GemmPlan& plan) {
  if (!plan.launches()) return "m, n or k is 0: there is nothing to multiply";
  const GemmCandidate& chosen = plan.chosen();
  const GemmCandidate& best = plan.candidates.front();
  std::string text =
      fmt::format("{}: {} tiles in {} steps of {} CTAs, {:.2f} us modelled, bound by {}",
                  gemm_tag(chosen.config), chosen.cost.tiles, chosen.cost.steps, chosen.launch.grid,
                  chosen.cost.total_us, bound_by(chosen.cost)) +
      work_text(plan);
  if (plan.forced)
    return text + fmt::format("; forced, the model prefers {} ({:.2f} us)", gemm_tag(best.config),
                              best.cost.total_us);
  if (plan.candidates.size() > 1)
    text +=
        fmt::format("; next {} ({:.2f} us) of {} candidates", gemm_tag(plan.candidates[1].config),
                    plan.candidates[1].cost.total_us, plan.candidates.size());
  return text;
}

std::string plan_json(const GemmPlan& plan) {
  std::string candidates;
  for (const GemmCandidate& candidate : plan.candidates) {
    if (!candidates.empty()) candidates += ',';
    candidates += candidate_json(candidate);
  }
  return fmt::format(
      R"({{"config":{},"launch":{{"grid":{},"block":{},"cluster":{},"smem_bytes":{},"band_tiles":{},"along_n":{}}},)"
      R"("expected":{{"groups":{:.6g},"rows":{:.6g},"hinted":{}}},"candidates":[{}],"why":"{}"}})",
      config_json(plan.config), plan.launch.grid, plan.launch.block, plan.launch.cluster,
      plan.launch.smem_bytes, plan.order.band_tiles, plan.order.along_n, plan.work.groups,
      plan.work.rows, plan.hinted, candidates, why_text(plan));
}

std::string plan_table(const GemmPlan& plan, std::size_t max_candidates) {
  std::string text = why_text(plan) + "\n";
  text += fmt::format(
      "launch: grid {}, block {}, cluster {}, {} bytes of shared memory, bands of {} {} of "
      "tiles\n\n",
      plan.launch.grid, plan.launch.block, plan.launch.cluster, plan.launch.smem_bytes,
      plan.order.band_tiles, plan.order.along_n ? "columns" : "rows");
  text += fmt::format("{:<36} {:>9} {:>8} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
                      "config", "total us", "bound by", "tiles", "steps", "tensor", "latency",
                      "ring", "l2", "hbm", "epilogue");
  const std::size_t shown = std::min(max_candidates, plan.candidates.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const GemmCost& c = plan.candidates[i].cost;
    text += fmt::format(
        "{:<36} {:>9.2f} {:>8} {:>6} {:>6} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f}\n",
        gemm_tag(plan.candidates[i].config), c.total_us, bound_by(c), c.tiles, c.steps, c.tensor_us,
        c.latency_us, c.ring_us, c.l2_us, c.hbm_us, c.epilogue_us);
  }
  if (shown < plan.candidates.size())
    text +=
        fmt::format("... and {} dearer ones (--json lists all)\n", plan.candidates.size() - shown);
  return text;
}

}  // namespace fathom::plan
