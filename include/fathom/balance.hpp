// Expert-parallel load balancing: which expert lives on which GPU, and which experts get replicas.
// Public layer; plain C++20. Needs no GPU and no Context.
//
// Physical slot s holds one expert's weights and lives on one GPU; slots are numbered GPU by GPU,
// GPUs node by node. The router splits an expert's load evenly over its replicas, so that a slot
// carries load / replicas. Routing groups are experts / num_groups neighbouring experts. Where
// num_groups is a multiple of num_nodes, all replicas of a group's experts stay on one node, and
// every node has the same number of groups.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <fathom/export.h>
#include <fathom/error.hpp>

namespace fathom::balance {

/// The values are part of the C ABI (c_api.h): never renumber.
enum class Policy : std::int32_t {
  kPublished = 1,  ///< the outputs of DeepSeek's EPLB, bit by bit
  kBetter = 2,     ///< fewer overloaded GPUs, no avoidable duplicates, few moves
};
/// "published", "better".
FATHOM_API std::string_view to_string(Policy policy);

/// Expected load of each expert, say its tokens: [layers, experts], finite, none negative.
struct Loads {
  std::int64_t layers = 0;
  std::int64_t experts = 0;
  std::span<const float> values = {};
};

struct Deployment {
  std::int64_t num_replicas = 0;  ///< slots in all, at least as many as experts
  std::int64_t num_groups = 1;    ///< divides the number of experts
  std::int64_t num_nodes = 1;     ///< divides num_gpus
  std::int64_t num_gpus = 1;      ///< divides num_replicas, unless slots_per_gpu is given
  /// kBetter only: slots of each GPU, in all num_replicas; empty = the same number on each.
  std::vector<std::int64_t> slots_per_gpu = {};
  /// kBetter only: how fast each GPU is beside the others; its load counts as load / speed. Empty =
  /// all equal.
  std::vector<double> gpu_speed = {};
};

struct Options {
  Policy policy = Policy::kBetter;
  /// The placement in use, as Plan::phy2log [layers, num_replicas]; empty = none. kBetter then
  /// moves as few experts as it can; kPublished only counts moves.
  std::span<const std::int64_t> current = {};
  /// kBetter with `current`: most experts of a layer that may come to a GPU which does not hold
  /// them now; negative = no limit.
  std::int64_t max_moves = -1;
  /// kBetter: after so many seconds in all, layers keep the best plan found so far. 0 = none but
  /// the first plan of each layer, which takes what time it needs.
  double time_budget_s = 0.04;
};

/// How good a layer's placement is. Loads are divided by the speed of their GPU.
struct LayerReport {
  double max_load = 0;
  double mean_load = 0;         ///< what every GPU would have under a perfect balance
  double bound = 0;             ///< no placement that the call allows has a lower max_load
  std::int64_t moves = 0;       ///< experts that a GPU does not hold now; 0 without `current`
  std::int64_t duplicates = 0;  ///< slots whose expert stands on the same GPU before
  double max_over_mean() const { return mean_load > 0 ? max_load / mean_load : 1; }
  double bound_over_mean() const { return mean_load > 0 ? bound / mean_load : 1; }
};

struct Plan {
  std::int64_t layers = 0;
  std::int64_t experts = 0;
  std::int64_t replicas = 0;
  std::int64_t max_count = 0;         ///< the largest of logcnt
  std::vector<std::int64_t> phy2log;  ///< [layers, replicas]: expert of each slot
  std::vector<std::int64_t> log2phy;  ///< [layers, experts, max_count]: slots by replica number, -1
  std::vector<std::int64_t> logcnt;   ///< [layers, experts]: replicas of each expert, at least 1
  std::vector<LayerReport> reports;   ///< [layers]
};

/// Plans every layer. Throws Error(kInvalidArgument).
FATHOM_API Plan make_plan(const Loads& loads, const Deployment& deployment,
                          const Options& options = {});

/// The load of each GPU, [layers, num_gpus], under any phy2log [layers, num_replicas]; divided by
/// speed. Throws Error(kInvalidArgument).
FATHOM_API std::vector<double> gpu_loads(const Loads& loads, const Deployment& deployment,
                                         std::span<const std::int64_t> phy2log);

/// The replicas that each GPU's tokens go to.
struct RouterTable {
  std::int64_t experts = 0;
  std::int64_t max_count = 0;
  std::vector<std::int64_t> counts;  ///< [experts]: replicas of each
  std::vector<std::int32_t> slots;  ///< [num_gpus, experts, max_count]; the first counts[e] are set
};

/// The table of one layer. Locality first: a GPU's tokens stay on it where it holds the expert,
/// else on its node as far as that keeps the balance. Balanced: over all GPUs every replica of an
/// expert is named equally often, so that GPUs which send alike load the replicas alike.
/// Deterministic. Throws Error(kInvalidArgument).
FATHOM_API RouterTable make_router_table(const Plan& plan, const Deployment& deployment,
                                         std::int64_t layer);

/// The slot for the token-th token that GPU `source` sends to `expert`; tokens in any order, each
/// GPU counting its own. No checks: for the inner loop.
inline std::int32_t choose_replica(const RouterTable& table, std::int64_t source,
                                   std::int64_t expert, std::int64_t token) {
  const std::int64_t row = (source * table.experts + expert) * table.max_count;
  const std::int64_t count = table.counts[static_cast<std::size_t>(expert)];
  return table.slots[static_cast<std::size_t>(row + token % count)];
}

/// How many experts may pass in one round.
struct LinkLimits {
  std::int64_t sends_per_gpu = 1;
  std::int64_t receives_per_gpu = 1;
  std::int64_t sends_per_node = 0;     ///< to other nodes; 0 = no limit
  std::int64_t receives_per_node = 0;  ///< from other nodes; 0 = no limit
};

/// One expert's weights from one slot to another. A transfer reads the old placement, whatever its
/// round: a GPU keeps what it receives aside until its last round is done.
struct Transfer {
  std::int64_t round = 0;  ///< rounds follow one another; those of one round run side by side
  std::int64_t expert = 0;
  std::int64_t from_slot = 0;
  std::int64_t to_slot = 0;
};

/// What one layer's change from `current` to `next`, each [num_replicas], has to move between GPUs;
/// by ascending round. The source is a GPU of the same node where one holds the expert. Throws
/// Error(kInvalidArgument).
FATHOM_API std::vector<Transfer> transfers(std::span<const std::int64_t> current,
                                           std::span<const std::int64_t> next,
                                           const Deployment& deployment,
                                           const LinkLimits& limits = {});

}  // namespace fathom::balance
