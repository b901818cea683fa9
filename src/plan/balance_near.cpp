// See balance_near.hpp. Planning layer.
#include "plan/balance_near.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fathom::plan {
namespace {

class NearPacker {
 public:
  NearPacker(const BalanceProblem& problem, const BalancePlacement& current, double target)
      : problem_(problem),
        target_(target),
        homes_(problem.experts),
        load_(problem.gpus, 0.0),
        placement_(problem.replicas, -1) {
    for (int gpu = 0; gpu < problem.gpus; ++gpu) next_.push_back(problem.slot_begin[gpu]);
    for (int slot = 0; slot < problem.replicas; ++slot) {
      homes_[current[slot]].push_back(problem.gpu_of_slot[slot]);
    }
  }

  bool place(int expert, double share) {
    int best = -1;
    for (const int gpu : homes_[expert]) {
      if ((load_[gpu] + share) / problem_.speed[gpu] <= target_) prefer(best, gpu, expert);
    }
    const BalanceDomain& domain = problem_.domains[problem_.domain_of_gpu(homes_[expert].front())];
    if (best < 0) {
      for (int gpu = domain.gpu_begin; gpu < domain.gpu_end; ++gpu) prefer(best, gpu, expert);
    }
    if (best < 0) return false;
    placement_[next_[best]++] = expert;
    load_[best] += share;
    return true;
  }

  BalancePlacement take() { return std::move(placement_); }

 private:
  /// `best` becomes `gpu` where that has room, lacks the expert, and is less loaded.
  void prefer(int& best, int gpu, int expert) const {
    if (next_[gpu] == problem_.slot_begin[gpu + 1]) return;
    if (best >= 0 && load_[gpu] / problem_.speed[gpu] >= load_[best] / problem_.speed[best]) return;
    const auto begin = placement_.begin() + problem_.slot_begin[gpu];
    const auto end = placement_.begin() + next_[gpu];
    if (std::find(begin, end, expert) == end) best = gpu;
  }

  const BalanceProblem& problem_;
  double target_;
  std::vector<std::vector<int>> homes_;
  std::vector<double> load_;
  std::vector<int> next_;  ///< first free slot of each GPU
  BalancePlacement placement_;
};

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

BalancePlacement place_near(const BalanceProblem& problem, std::span<const float> loads,
                            const std::vector<int>& counts, const BalancePlacement& current,
                            double target) {
  struct Item {
    double share;
    int expert;
  };
  std::vector<Item> items;
  for (int expert = 0; expert < problem.experts; ++expert) {
    const double share = loads[expert] / static_cast<double>(counts[expert]);
    items.insert(items.end(), counts[expert], Item{share, expert});
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& left, const Item& right) { return left.share > right.share; });
  NearPacker packer(problem, current, target);
  for (const Item& item : items) {
    if (!packer.place(item.expert, item.share)) return {};
  }
  return packer.take();
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
