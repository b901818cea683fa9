// What a call of the load balancer asks for, after checking: the shape of the deployment, without
// loads. Planning layer: pure. api/balance_check.cpp makes it; planner, reference and tests read
// it.
#pragma once

#include <cstdint>
#include <vector>

namespace fathom::plan {

/// GPUs that may exchange experts: a node, or the whole deployment.
struct BalanceDomain {
  int gpu_begin = 0, gpu_end = 0;
  int slot_begin = 0, slot_end = 0;
};

struct BalanceProblem {
  int experts = 0;
  int replicas = 0;  ///< slots in all
  int groups = 1;
  int nodes = 1;
  int gpus = 1;
  bool by_node = false;                ///< groups stay on nodes: groups is a multiple of nodes
  bool uniform = true;                 ///< all GPUs have the same slots and speed
  std::vector<int> slot_begin;         ///< [gpus + 1]: first slot of each GPU
  std::vector<int> gpu_of_slot;        ///< [replicas]
  std::vector<double> speed;           ///< [gpus]
  std::vector<BalanceDomain> domains;  ///< nodes when by_node, else one

  int slots_of(int gpu) const { return slot_begin[gpu + 1] - slot_begin[gpu]; }
  int node_of_gpu(int gpu) const { return gpu / (gpus / nodes); }
  int domain_of_gpu(int gpu) const { return by_node ? node_of_gpu(gpu) : 0; }
  int experts_per_group() const { return experts / groups; }
  int experts_per_domain() const { return experts / static_cast<int>(domains.size()); }
  int groups_per_domain() const { return groups / static_cast<int>(domains.size()); }
};

/// One layer's answer: the expert of each slot.
using BalancePlacement = std::vector<int>;

}  // namespace fathom::plan
