// A swap shifts the difference of two shares from one GPU to the other. All differences are sorted;
// for each the partner is looked up whose sum with it comes closest to the best shift. Planning
// layer.
#include "plan/balance_pairs.hpp"

#include <algorithm>
#include <vector>

namespace fathom::plan {
namespace {

/// Between GPUs of more slots single swaps are fine enough, and pairs are many.
constexpr int kMostDifferences = 4096;
/// Partners looked at on each side of the ideal one: those next to it may share a slot.
constexpr int kNeighbours = 2;

/// Sorting and the partners of one difference, in trials of single changes.
constexpr int kTrialsPerDifference = 8;

struct Difference {
  double shift;
  int slot, other;
};

std::vector<Difference> differences(const BalanceState& state, int gpu, int other_gpu) {
  const BalanceProblem& problem = state.problem();
  std::vector<Difference> result;
  for (int a = problem.slot_begin[gpu]; a < problem.slot_begin[gpu + 1]; ++a) {
    if (state.held(other_gpu, state.expert(a)) > 0) continue;
    for (int b = problem.slot_begin[other_gpu]; b < problem.slot_begin[other_gpu + 1]; ++b) {
      if (state.held(gpu, state.expert(b)) > 0) continue;
      result.push_back({state.share(state.expert(a)) - state.share(state.expert(b)), a, b});
    }
  }
  std::sort(result.begin(), result.end(), [](const Difference& left, const Difference& right) {
    return left.shift < right.shift;
  });
  return result;
}

/// Four slots of four experts: a second copy must not come along with the first.
bool apart(const BalanceState& state, const Difference& left, const Difference& right) {
  return left.slot != right.slot && left.other != right.other &&
         state.expert(left.slot) != state.expert(right.slot) &&
         state.expert(left.other) != state.expert(right.other);
}

class PairSearch {
 public:
  PairSearch(const BalanceState& state, int gpu, double below, int more_moves)
      : state_(state), gpu_(gpu), more_moves_(more_moves) {
    best_.max_load = below;
  }

  void try_gpu(int other_gpu, std::int64_t& trials) {
    const std::vector<double>& speed = state_.problem().speed;
    const double mine = speed[gpu_], theirs = speed[other_gpu];
    // The shift that leaves both GPUs with the same load.
    const double ideal =
        (state_.load(gpu_) - state_.load(other_gpu)) * mine * theirs / (mine + theirs);
    if (ideal <= 0) return;
    const std::vector<Difference> all = differences(state_, gpu_, other_gpu);
    trials += static_cast<std::int64_t>(all.size()) * kTrialsPerDifference;
    for (const Difference& first : all) {
      const auto at = std::lower_bound(
          all.begin(), all.end(), ideal - first.shift,
          [](const Difference& difference, double shift) { return difference.shift < shift; });
      const auto begin = at - std::min<std::ptrdiff_t>(kNeighbours, at - all.begin());
      const auto end = at + std::min<std::ptrdiff_t>(kNeighbours, all.end() - at);
      for (auto second = begin; second != end; ++second) judge(other_gpu, first, *second);
    }
  }

  const PairSwap& best() const { return best_; }

 private:
  void judge(int other_gpu, const Difference& first, const Difference& second) {
    const std::vector<double>& speed = state_.problem().speed;
    const double shift = first.shift + second.shift;
    const double max_load = std::max(state_.load(gpu_) - shift / speed[gpu_],
                                     state_.load(other_gpu) + shift / speed[other_gpu]);
    if (max_load >= best_.max_load || !apart(state_, first, second)) return;
    if (more_moves_ >= 0 && state_.moves_of_swap(first.slot, first.other) +
                                    state_.moves_of_swap(second.slot, second.other) >
                                more_moves_) {
      return;
    }
    best_ = {max_load, {first.slot, second.slot}, {first.other, second.other}};
  }

  const BalanceState& state_;
  int gpu_;
  int more_moves_;
  PairSwap best_;
};

}  // namespace

PairSwap best_pair_swap(const BalanceState& state, int gpu, double below, int more_moves,
                        std::int64_t& trials) {
  const BalanceProblem& problem = state.problem();
  const BalanceDomain& domain = problem.domains[problem.domain_of_gpu(gpu)];
  std::vector<int> others;
  for (int other = domain.gpu_begin; other < domain.gpu_end; ++other) {
    if (other != gpu && problem.slots_of(gpu) * problem.slots_of(other) <= kMostDifferences) {
      others.push_back(other);
    }
  }
  std::stable_sort(others.begin(), others.end(),
                   [&](int left, int right) { return state.load(left) < state.load(right); });
  PairSearch search(state, gpu, below, more_moves);
  for (const int other : others) {
    search.try_gpu(other, trials);
    if (search.best().found()) break;
  }
  return search.best();
}

}  // namespace fathom::plan
