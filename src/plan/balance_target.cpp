// The same two kinds of change as in balance_search.cpp, judged by the excess, the load beyond the
// target, that they take off all GPUs together for each move. Planning layer.
#include "plan/balance_target.hpp"

#include <algorithm>
#include <limits>

namespace fathom::plan {
namespace {

/// Below this share of the target a gain is a rounding error.
constexpr double kLeastGain = 1e-9;

class TargetStep {
 public:
  TargetStep(const BalanceState& state, const SearchLimits& limits, double target)
      : state_(state),
        problem_(state.problem()),
        limits_(limits),
        target_(target),
        excess_of_expert_(problem_.experts, 0.0) {
    for (int slot = 0; slot < problem_.replicas; ++slot) {
      excess_of_expert_[state.expert(slot)] += excess(state.load(problem_.gpu_of_slot[slot]));
    }
  }

  /// All changes that take something off this GPU and lower the excess.
  void try_gpu(int gpu) {
    const BalanceDomain& domain = problem_.domains[problem_.domain_of_gpu(gpu)];
    for (int slot = problem_.slot_begin[gpu]; slot < problem_.slot_begin[gpu + 1]; ++slot) {
      const int expert = state_.expert(slot);
      for (int other = domain.slot_begin; other < domain.slot_end; ++other) {
        try_swap(slot, other);
        try_replace(other, expert);
        if (state_.first_slot(state_.expert(other)) == other) {
          try_replace(slot, state_.expert(other));
        }
      }
    }
  }

  /// Slots of experts with more than `counts` to this one, whatever the excess.
  void try_surplus(int expert, const std::vector<int>& counts) {
    if (slot_ < 0) worth_ = least_gain_ = -std::numeric_limits<double>::infinity();
    const int gpu = problem_.gpu_of_slot[state_.first_slot(expert)];
    const BalanceDomain& domain = problem_.domains[problem_.domain_of_gpu(gpu)];
    for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
      const int old = state_.expert(slot);
      if (state_.count(old) > counts[old]) judge_replace(slot, expert);
    }
  }

  /// The best change that was tried, where there is one.
  bool apply(BalanceState& state) const {
    if (slot_ < 0) return false;
    if (other_ >= 0) {
      state.swap(slot_, other_);
    } else {
      state.replace(slot_, expert_);
    }
    return true;
  }

  std::int64_t trials() const { return trials_; }

 private:
  double excess(double load) const { return std::max(load - target_, 0.0); }

  void try_swap(int slot, int other) {
    ++trials_;
    const int gpu = problem_.gpu_of_slot[slot], other_gpu = problem_.gpu_of_slot[other];
    const int mine = state_.expert(slot), theirs = state_.expert(other);
    const double shift = state_.share(mine) - state_.share(theirs);
    if (shift <= 0 || gpu == other_gpu) return;
    const double gain = excess(state_.load(gpu)) + excess(state_.load(other_gpu)) -
                        excess(state_.load(gpu) - shift / problem_.speed[gpu]) -
                        excess(state_.load(other_gpu) + shift / problem_.speed[other_gpu]);
    if (gain <= least_gain_ || state_.held(gpu, theirs) > 0 || state_.held(other_gpu, mine) > 0) {
      return;
    }
    take(gain, state_.moves_of_swap(slot, other), slot, other, -1);
  }

  /// Only the expert's GPUs and that of the slot can lose load.
  void try_replace(int slot, int expert) {
    ++trials_;
    const double most = excess_of_expert_[expert] + excess(state_.load(problem_.gpu_of_slot[slot]));
    if (most <= std::max(least_gain_, worth_)) return;
    judge_replace(slot, expert);
  }

  void judge_replace(int slot, int expert) {
    const int gpu = problem_.gpu_of_slot[slot], old = state_.expert(slot);
    if (state_.count(old) < 2 || old == expert || state_.held(gpu, expert) > 0) return;
    double gain = 0;
    state_.visit_replace(
        slot, expert, [&](double before, double after) { gain += excess(before) - excess(after); });
    if (gain > least_gain_) take(gain, state_.moves_of_replace(slot, expert), slot, -1, expert);
  }

  void take(double gain, int moves, int slot, int other, int expert) {
    if (limits_.max_moves >= 0 && state_.moves() + moves > limits_.max_moves) return;
    // One more than the moves: changes without any are cheap and not for nothing.
    const double worth = gain / (std::max(moves, 0) + 1);
    if (worth <= worth_) return;
    worth_ = worth;
    slot_ = slot;
    other_ = other;
    expert_ = expert;
  }

  const BalanceState& state_;
  const BalanceProblem& problem_;
  const SearchLimits& limits_;
  double target_;
  std::vector<double> excess_of_expert_;  ///< of the GPUs that hold it, together
  double least_gain_ = target_ * kLeastGain;
  double worth_ = 0;
  int slot_ = -1, other_ = -1, expert_ = -1;
  std::int64_t trials_ = 0;
};

}  // namespace

bool reach_target(BalanceState& state, const SearchLimits& limits, double target) {
  std::int64_t trials = 0;
  while (trials < limits.max_trials) {
    const int gpu = state.hottest();
    if (state.load(gpu) <= target) return true;
    if (limits.out_of_time && limits.out_of_time()) return false;
    TargetStep step(state, limits, target);
    step.try_gpu(gpu);
    trials += step.trials();
    if (!step.apply(state)) return false;
  }
  return false;
}

void change_counts(BalanceState& state, const SearchLimits& limits, const std::vector<int>& counts,
                   double target) {
  while (!(limits.out_of_time && limits.out_of_time())) {
    TargetStep step(state, limits, target);
    for (int expert = 0; expert < state.problem().experts; ++expert) {
      if (state.count(expert) < counts[expert]) step.try_surplus(expert, counts);
    }
    if (!step.apply(state)) return;
  }
}

}  // namespace fathom::plan
