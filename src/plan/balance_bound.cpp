// Each bound says what it counts. Where GPUs differ, every one is taken to be as fast and as large
// as the best. Planning layer.
#include "plan/balance_bound.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

namespace fathom::plan {
namespace {

double fastest(const BalanceProblem& problem) {
  return *std::max_element(problem.speed.begin(), problem.speed.end());
}

int gpus_per_domain(const BalanceProblem& problem) {
  return problem.gpus / static_cast<int>(problem.domains.size());
}

/// Some slot carries at least this: the replicas are few, and one expert reaches only so many GPUs.
double replica_bound(const BalanceProblem& problem, std::span<const float> loads) {
  const int most = gpus_per_domain(problem);
  std::vector<int> counts(loads.size(), 1);
  std::priority_queue<std::pair<double, int>> heaviest;
  for (int e = 0; e < problem.experts; ++e) heaviest.emplace(loads[e], e);
  for (int slot = problem.experts; slot < problem.replicas; ++slot) {
    const int expert = heaviest.top().second;
    // What cannot be split further stays the largest.
    if (counts[expert] == most) break;
    heaviest.pop();
    ++counts[expert];
    heaviest.emplace(loads[expert] / static_cast<double>(counts[expert]), expert);
  }
  return heaviest.top().first;
}

/// At least experts - spare experts have one slot only. Of the k * gpus + 1 heaviest of those, some
/// GPU holds k + 1; without spare slots its other slots carry at least the lightest experts.
double pigeonhole_bound(const BalanceProblem& problem, const std::vector<double>& descending) {
  const int spare = problem.replicas - problem.experts;
  const int single = problem.experts - spare;
  int most_slots = 0;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    most_slots = std::max(most_slots, problem.slots_of(gpu));
  }
  double best = 0;
  for (int k = 0; k * problem.gpus + 1 <= single && k < most_slots; ++k) {
    const auto last = descending.begin() + spare + k * problem.gpus + 1;
    double sum = std::accumulate(last - (k + 1), last, 0.0);
    if (spare == 0 && problem.uniform) {
      sum += std::accumulate(descending.end() - (most_slots - k - 1), descending.end(), 0.0);
    }
    best = std::max(best, sum);
  }
  return best;
}

/// The node with the heaviest group has the lightest others beside it, at best.
double group_bound(const BalanceProblem& problem, std::span<const float> loads) {
  std::vector<double> sums(problem.groups, 0.0);
  for (int e = 0; e < problem.experts; ++e) sums[e / problem.experts_per_group()] += loads[e];
  std::sort(sums.begin(), sums.end());
  const double load =
      std::accumulate(sums.begin(), sums.begin() + problem.groups_per_domain() - 1, sums.back());
  double most_speed = 0;
  for (const BalanceDomain& domain : problem.domains) {
    most_speed = std::max(most_speed, std::accumulate(problem.speed.begin() + domain.gpu_begin,
                                                      problem.speed.begin() + domain.gpu_end, 0.0));
  }
  return load / most_speed;
}

}  // namespace

double mean_load(const BalanceProblem& problem, std::span<const float> loads) {
  return std::accumulate(loads.begin(), loads.end(), 0.0) /
         std::accumulate(problem.speed.begin(), problem.speed.end(), 0.0);
}

double max_load_bound(const BalanceProblem& problem, std::span<const float> loads) {
  std::vector<double> descending(loads.begin(), loads.end());
  std::sort(descending.begin(), descending.end(), std::greater<>());
  const double slots =
      std::max(replica_bound(problem, loads), pigeonhole_bound(problem, descending));
  return std::max(
      {mean_load(problem, loads), slots / fastest(problem), group_bound(problem, loads)});
}

}  // namespace fathom::plan
