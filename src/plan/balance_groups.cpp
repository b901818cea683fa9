// Greedy choices: largest first, or what helps most. Planning layer.
#include "plan/balance_groups.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fathom::plan {
namespace {

std::vector<double> group_loads(const BalanceProblem& problem, std::span<const float> loads) {
  std::vector<double> sums(problem.groups, 0.0);
  for (int e = 0; e < problem.experts; ++e) sums[e / problem.experts_per_group()] += loads[e];
  return sums;
}

/// Slots to fill (-1) and the load of each GPU without them.
struct Gaps {
  BalancePlacement placement;
  std::vector<double> load;

  bool holds(const BalanceProblem& problem, int gpu, int expert) const {
    const auto begin = placement.begin() + problem.slot_begin[gpu];
    const auto end = placement.begin() + problem.slot_begin[gpu + 1];
    return std::find(begin, end, expert) != end;
  }
};

/// The gap of the least loaded GPU of a domain without the expert, else of any.
int gap_for(const BalanceProblem& problem, const BalanceDomain& domain, const Gaps& gaps,
            int expert) {
  int best = -1, least = -1;
  for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
    const int gpu = problem.gpu_of_slot[slot];
    if (gaps.placement[slot] >= 0 || (best >= 0 && gaps.load[gpu] >= gaps.load[least])) continue;
    if (gaps.holds(problem, gpu, expert)) continue;
    best = slot;
    least = gpu;
  }
  const auto begin = gaps.placement.begin() + domain.slot_begin;
  return best >= 0 ? best
                   : static_cast<int>(std::find(begin, gaps.placement.end(), -1) -
                                      gaps.placement.begin());
}

/// Gives all gaps of a domain to these experts, one or more to each.
void fill_gaps(const BalanceProblem& problem, std::span<const float> loads,
               const BalanceDomain& domain, const std::vector<int>& experts, Gaps& gaps) {
  const auto begin = gaps.placement.begin() + domain.slot_begin;
  const auto end = gaps.placement.begin() + domain.slot_end;
  const auto free = static_cast<std::size_t>(std::count(begin, end, -1));
  std::vector<int> counts(experts.size(), 1);
  const auto share = [&](std::size_t i) {
    return loads[experts[i]] / static_cast<double>(counts[i]);
  };
  std::vector<std::size_t> order(experts.size());
  std::iota(order.begin(), order.end(), 0);
  const auto heavier = [&](std::size_t l, std::size_t r) { return share(l) > share(r); };
  for (std::size_t slot = experts.size(); slot < free; ++slot) {
    ++counts[*std::min_element(order.begin(), order.end(), heavier)];
  }
  std::stable_sort(order.begin(), order.end(), heavier);
  for (const std::size_t i : order) {
    for (int copy = 0; copy < counts[i]; ++copy) {
      const int slot = gap_for(problem, domain, gaps, experts[i]), gpu = problem.gpu_of_slot[slot];
      gaps.placement[slot] = experts[i];
      gaps.load[gpu] += share(i) / problem.speed[gpu];
    }
  }
}

}  // namespace

std::vector<int> exchange_groups(const BalanceProblem& problem, std::span<const float> loads,
                                 std::vector<int> node_of_group, double enough) {
  const std::vector<double> sums = group_loads(problem, loads);
  std::vector<double> node_load(problem.domains.size(), 0.0);
  for (int group = 0; group < problem.groups; ++group) {
    node_load[node_of_group[group]] += sums[group];
  }
  const double most = enough * problem.gpus / static_cast<double>(problem.domains.size());
  while (true) {
    const auto heavy =
        static_cast<int>(std::max_element(node_load.begin(), node_load.end()) - node_load.begin());
    if (node_load[heavy] <= most) return node_of_group;
    double best = node_load[heavy] * (1 - 1e-9);
    int mine = -1, theirs = -1;
    for (int a = 0; a < problem.groups; ++a) {
      for (int b = 0; b < problem.groups && node_of_group[a] == heavy; ++b) {
        if (node_of_group[b] == heavy) continue;
        const double shift = sums[a] - sums[b];
        const double load = std::max(node_load[heavy] - shift, node_load[node_of_group[b]] + shift);
        if (load >= best) continue;
        best = load;
        mine = a;
        theirs = b;
      }
    }
    if (mine < 0) return node_of_group;
    const double shift = sums[mine] - sums[theirs];
    node_load[heavy] -= shift;
    node_load[node_of_group[theirs]] += shift;
    std::swap(node_of_group[mine], node_of_group[theirs]);
  }
}

std::vector<int> spread_groups(const BalanceProblem& problem, std::span<const float> loads) {
  const std::vector<double> sums = group_loads(problem, loads);
  std::vector<int> order(problem.groups);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int left, int right) { return sums[left] > sums[right]; });
  const int nodes = static_cast<int>(problem.domains.size());
  std::vector<double> node_load(nodes, 0.0);
  std::vector<int> size(nodes, 0), node_of_group(problem.groups, 0);
  for (const int group : order) {
    int lightest = -1;
    for (int node = 0; node < nodes; ++node) {
      if (size[node] == problem.groups_per_domain()) continue;
      if (lightest < 0 || node_load[node] < node_load[lightest]) lightest = node;
    }
    node_of_group[group] = lightest;
    ++size[lightest];
    node_load[lightest] += sums[group];
  }
  return exchange_groups(problem, loads, std::move(node_of_group), 0);
}

BalancePlacement with_groups(const BalanceProblem& problem, std::span<const float> loads,
                             const BalancePlacement& current,
                             const std::vector<int>& node_of_group) {
  std::vector<int> counts(problem.experts, 0);
  for (const int expert : current) ++counts[expert];
  std::vector<std::vector<int>> arriving(problem.domains.size());
  std::vector<bool> seen(problem.experts, false);
  Gaps gaps{current, std::vector<double>(problem.gpus, 0.0)};
  for (int slot = 0; slot < problem.replicas; ++slot) {
    const int gpu = problem.gpu_of_slot[slot], expert = current[slot];
    const int node = node_of_group[expert / problem.experts_per_group()];
    if (node == problem.domain_of_gpu(gpu)) {
      gaps.load[gpu] += loads[expert] / static_cast<double>(counts[expert]) / problem.speed[gpu];
      continue;
    }
    gaps.placement[slot] = -1;
    if (!seen[expert]) arriving[node].push_back(expert);
    seen[expert] = true;
  }
  for (std::size_t node = 0; node < arriving.size(); ++node) {
    if (arriving[node].empty()) continue;
    fill_gaps(problem, loads, problem.domains[node], arriving[node], gaps);
  }
  return std::move(gaps.placement);
}

}  // namespace fathom::plan
