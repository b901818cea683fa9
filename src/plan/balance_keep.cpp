// Matches by overlap, the largest first. Planning layer.
#include "plan/balance_keep.hpp"

#include <algorithm>
#include <tuple>

namespace fathom::plan {
namespace {

struct Span {
  int begin, end;
};

/// For each of `ours` one of `theirs`, so that experts in common are many; both have one length.
std::vector<int> match(const BalancePlacement& placement, const BalancePlacement& current,
                       const std::vector<Span>& ours, const std::vector<Span>& theirs,
                       int experts) {
  const int n = static_cast<int>(ours.size());
  std::vector<std::vector<int>> holders(experts);
  for (int i = 0; i < n; ++i) {
    for (int slot = theirs[i].begin; slot < theirs[i].end; ++slot) {
      holders[current[slot]].push_back(i);
    }
  }
  std::vector<std::tuple<int, int, int>> pairs;  // -overlap, ours, theirs
  std::vector<int> overlap(n);
  for (int i = 0; i < n; ++i) {
    std::fill(overlap.begin(), overlap.end(), 0);
    for (int slot = ours[i].begin; slot < ours[i].end; ++slot) {
      for (const int holder : holders[placement[slot]]) ++overlap[holder];
    }
    for (int other = 0; other < n; ++other) {
      if (overlap[other] > 0) pairs.emplace_back(-overlap[other], i, other);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::vector<int> partner(n, -1);
  std::vector<bool> taken(n, false);
  for (const auto& [weight, mine, other] : pairs) {
    if (partner[mine] >= 0 || taken[other]) continue;
    partner[mine] = other;
    taken[other] = true;
  }
  int free = 0;
  for (int& other : partner) {
    if (other >= 0) continue;
    while (taken[free]) ++free;
    other = free;
    taken[free] = true;
  }
  return partner;
}

/// Slots whose expert `current` has on the same GPU, each of its slots counted once.
int kept(const BalanceProblem& problem, const BalancePlacement& placement,
         const BalancePlacement& current) {
  std::vector<int> left(problem.experts, 0);
  int total = 0;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    const int begin = problem.slot_begin[gpu], end = problem.slot_begin[gpu + 1];
    for (int slot = begin; slot < end; ++slot) ++left[current[slot]];
    for (int slot = begin; slot < end; ++slot) total += left[placement[slot]]-- > 0 ? 1 : 0;
    for (int slot = begin; slot < end; ++slot) left[current[slot]] = left[placement[slot]] = 0;
  }
  return total;
}

}  // namespace

BalancePlacement relabel(const BalanceProblem& problem, const BalancePlacement& placement,
                         const BalancePlacement& current) {
  std::vector<Span> domains;
  for (const BalanceDomain& d : problem.domains) domains.push_back({d.slot_begin, d.slot_end});
  const std::vector<int> domain_for = match(placement, current, domains, domains, problem.experts);
  BalancePlacement result(placement.size());
  for (std::size_t d = 0; d < problem.domains.size(); ++d) {
    const auto gpus_of = [&](const BalanceDomain& domain) {
      std::vector<Span> gpus;
      for (int gpu = domain.gpu_begin; gpu < domain.gpu_end; ++gpu) {
        gpus.push_back({problem.slot_begin[gpu], problem.slot_begin[gpu + 1]});
      }
      return gpus;
    };
    const std::vector<Span> ours = gpus_of(problem.domains[d]);
    const std::vector<Span> theirs = gpus_of(problem.domains[domain_for[d]]);
    const std::vector<int> gpu_for = match(placement, current, ours, theirs, problem.experts);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      std::copy(placement.begin() + ours[i].begin, placement.begin() + ours[i].end,
                result.begin() + theirs[gpu_for[i]].begin);
    }
  }
  // The matching is greedy.
  return kept(problem, result, current) > kept(problem, placement, current) ? result : placement;
}

BalancePlacement keep_slots(const BalanceProblem& problem, const BalancePlacement& placement,
                            const BalancePlacement& current) {
  BalancePlacement result(placement.size(), -1);
  std::vector<int> waiting;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    const int begin = problem.slot_begin[gpu], end = problem.slot_begin[gpu + 1];
    waiting.clear();
    for (int slot = begin; slot < end; ++slot) {
      int home = begin;
      while (home < end && (current[home] != placement[slot] || result[home] >= 0)) ++home;
      if (home < end) {
        result[home] = placement[slot];
      } else {
        waiting.push_back(placement[slot]);
      }
    }
    auto next = waiting.begin();
    for (int slot = begin; slot < end; ++slot) {
      if (result[slot] < 0) result[slot] = *next++;
    }
  }
  return result;
}

}  // namespace fathom::plan
