// See balance_near.hpp. Planning layer.
#include "plan/balance_near.hpp"

#include <algorithm>
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

}  // namespace fathom::plan
