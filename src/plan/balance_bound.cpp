// Each bound says what it counts. Where GPUs differ, every one is taken to be as fast and as large
// as the best. Planning layer.
#include "plan/balance_bound.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace fathom::plan {
namespace {

/// GPUs with slots of their own, and the experts that live there: all, or a domain.
struct Part {
  std::vector<double> loads;  ///< of its experts, descending
  int slots = 0;
  int gpus = 0;
  int most_copies = 0;  ///< GPUs that one expert reaches
  int most_slots = 0;   ///< of one GPU
  bool uniform = true;
  double speed = 0;
  double fastest = 0;
};

void add_gpus(const BalanceProblem& problem, int begin, int end, Part& part) {
  part.slots += problem.slot_begin[end] - problem.slot_begin[begin];
  part.gpus += end - begin;
  part.uniform = problem.uniform;
  for (int gpu = begin; gpu < end; ++gpu) {
    part.most_slots = std::max(part.most_slots, problem.slots_of(gpu));
    part.fastest = std::max(part.fastest, problem.speed[gpu]);
    part.speed += problem.speed[gpu];
  }
}

/// Some slot carries at least this: the replicas are few, and one expert reaches only so many GPUs.
double replica_bound(const Part& part) {
  std::vector<int> counts(part.loads.size(), 1);
  std::priority_queue<std::pair<double, int>> heaviest;
  const int experts = static_cast<int>(part.loads.size());
  for (int e = 0; e < experts; ++e) heaviest.emplace(part.loads[e], e);
  for (int slot = experts; slot < part.slots; ++slot) {
    const int expert = heaviest.top().second;
    // What cannot be split further stays the largest.
    if (counts[expert] == part.most_copies) break;
    heaviest.pop();
    ++counts[expert];
    heaviest.emplace(part.loads[expert] / static_cast<double>(counts[expert]), expert);
  }
  return heaviest.top().first;
}

/// At least experts - spare experts have one slot only. Of the k * gpus + 1 heaviest of those, some
/// GPU holds k + 1; without spare slots its other slots carry at least the lightest experts.
double pigeonhole_bound(const Part& part) {
  const int spare = part.slots - static_cast<int>(part.loads.size());
  const int single = static_cast<int>(part.loads.size()) - spare;
  double best = 0;
  for (int k = 0; k * part.gpus + 1 <= single && k < part.most_slots; ++k) {
    const auto last = part.loads.begin() + spare + std::ptrdiff_t{k} * part.gpus + 1;
    double sum = std::accumulate(last - (k + 1), last, 0.0);
    if (spare == 0 && part.uniform) {
      sum += std::accumulate(part.loads.end() - (part.most_slots - k - 1), part.loads.end(), 0.0);
    }
    best = std::max(best, sum);
  }
  return best;
}

double bound_of(Part part) {
  std::sort(part.loads.begin(), part.loads.end(), std::greater<>());
  const double mean = std::accumulate(part.loads.begin(), part.loads.end(), 0.0) / part.speed;
  return std::max(mean, std::max(replica_bound(part), pigeonhole_bound(part)) / part.fastest);
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
  Part all;
  all.loads.assign(loads.begin(), loads.end());
  all.most_copies = problem.gpus / static_cast<int>(problem.domains.size());
  add_gpus(problem, 0, problem.gpus, all);
  return std::max(bound_of(std::move(all)), group_bound(problem, loads));
}

double max_load_bound_near(const BalanceProblem& problem, std::span<const float> loads,
                           const BalancePlacement& current, std::int64_t max_moves) {
  const double anywhere = max_load_bound(problem, loads);
  const bool groups_stay =
      max_moves >= 0 && max_moves < std::int64_t{2} * problem.experts_per_group();
  if (!groups_stay || problem.domains.size() == 1) return anywhere;
  double best = anywhere;
  for (const BalanceDomain& domain : problem.domains) {
    Part part;
    std::vector<bool> seen(problem.experts, false);
    for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
      if (!seen[current[slot]]) part.loads.push_back(loads[current[slot]]);
      seen[current[slot]] = true;
    }
    part.most_copies = domain.gpu_end - domain.gpu_begin;
    add_gpus(problem, domain.gpu_begin, domain.gpu_end, part);
    best = std::max(best, bound_of(std::move(part)));
  }
  return best;
}

}  // namespace fathom::plan
