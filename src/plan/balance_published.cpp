// Groups to nodes, replicas within a node, slots to GPUs. Planning layer.
#include "plan/balance_published.hpp"

#include <algorithm>
#include <numeric>

namespace fathom::plan {
namespace {

struct Packing {
  std::vector<int> pack;  ///< of each item
  std::vector<int> rank;  ///< within its pack
};

/// Items by descending weight, each to the lightest pack that is not full; among equals the first
/// item and the first pack. Exactly weights.size() / num_packs items go to each pack.
Packing pack_evenly(const std::vector<float>& weights, int num_packs) {
  const int items = static_cast<int>(weights.size());
  const int per_pack = items / num_packs;
  Packing result{std::vector<int>(weights.size()), std::vector<int>(weights.size(), 0)};
  if (per_pack == 1) {
    std::iota(result.pack.begin(), result.pack.end(), 0);
    return result;
  }
  std::vector<int> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int left, int right) { return weights[left] > weights[right]; });
  std::vector<float> sum(num_packs, 0.0f);
  std::vector<int> size(num_packs, 0);
  for (const int item : order) {
    int lightest = -1;
    for (int pack = 0; pack < num_packs; ++pack) {
      if (size[pack] < per_pack && (lightest < 0 || sum[pack] < sum[lightest])) lightest = pack;
    }
    result.pack[item] = lightest;
    result.rank[item] = size[lightest]++;
    sum[lightest] += weights[item];
  }
  return result;
}

struct Replication {
  std::vector<int> item;     ///< of each slot
  std::vector<int> replica;  ///< number of each slot
  std::vector<int> count;    ///< of each item
};

/// Every item once, then each further slot to the item with the largest weight per replica.
Replication replicate(const std::vector<float>& weights, int slots) {
  const int items = static_cast<int>(weights.size());
  Replication result{std::vector<int>(slots), std::vector<int>(slots, 0),
                     std::vector<int>(weights.size(), 1)};
  std::iota(result.item.begin(), result.item.begin() + items, 0);
  std::vector<float> share = weights;
  for (int slot = items; slot < slots; ++slot) {
    const auto heaviest =
        static_cast<int>(std::max_element(share.begin(), share.end()) - share.begin());
    result.item[slot] = heaviest;
    result.replica[slot] = result.count[heaviest]++;
    share[heaviest] = weights[heaviest] / static_cast<float>(result.count[heaviest]);
  }
  return result;
}

std::vector<float> group_sums(std::span<const float> loads, int groups) {
  const std::size_t size = loads.size() / groups;
  std::vector<float> sums(groups, 0.0f);
  for (std::size_t expert = 0; expert < loads.size(); ++expert)
    sums[expert / size] += loads[expert];
  return sums;
}

}  // namespace

PublishedPlan balance_published(const BalanceProblem& problem, std::span<const float> loads) {
  const int nodes = problem.by_node ? problem.nodes : 1;
  const int groups = problem.by_node ? problem.groups : 1;
  const int group_size = problem.experts / groups;
  const int node_experts = problem.experts / nodes;
  const int node_slots = problem.replicas / nodes;
  const int node_gpus = problem.gpus / nodes;
  const int gpu_slots = problem.replicas / problem.gpus;

  const Packing groups_packed = pack_evenly(group_sums(loads, groups), nodes);
  std::vector<int> expert_of_middle(problem.experts);
  for (int expert = 0; expert < problem.experts; ++expert) {
    const int group = expert / group_size;
    const int place = groups_packed.pack[group] * (groups / nodes) + groups_packed.rank[group];
    expert_of_middle[place * group_size + expert % group_size] = expert;
  }

  PublishedPlan result;
  result.expert_of_slot.resize(problem.replicas);
  result.replica_of_slot.resize(problem.replicas);
  result.node_of_group = groups_packed.pack;
  std::vector<float> weights(node_experts), shares(node_slots);
  for (int node = 0; node < nodes; ++node) {
    const int* experts = expert_of_middle.data() + std::ptrdiff_t{node} * node_experts;
    for (int i = 0; i < node_experts; ++i) weights[i] = loads[experts[i]];
    const Replication replicas = replicate(weights, node_slots);
    for (int i = 0; i < node_slots; ++i) {
      const int item = replicas.item[i];
      shares[i] = weights[item] / static_cast<float>(replicas.count[item]);
    }
    const Packing slots_packed = pack_evenly(shares, node_gpus);
    for (int i = 0; i < node_slots; ++i) {
      const int slot = node * node_slots + slots_packed.pack[i] * gpu_slots + slots_packed.rank[i];
      result.expert_of_slot[slot] = experts[replicas.item[i]];
      result.replica_of_slot[slot] = replicas.replica[i];
    }
  }
  return result;
}

}  // namespace fathom::plan
