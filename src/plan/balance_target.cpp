// First what is worth its moves: exchanges between two GPUs, and replicas for other experts. Then
// exchanges between many; and where a GPU stays beyond the target, its largest expert gets one more
// replica, and all exchange again. At last what need not have moved returns. Planning layer.
#include "plan/balance_target.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "plan/balance_exchange.hpp"

namespace fathom::plan {
namespace {

/// Below this a gain is a rounding error.
constexpr double kLeastGain = 1e-9;

/// Passes over GPUs or slots, unless one changes nothing.
constexpr int kPasses = 10;

/// Replicas that are added at most before the target counts as out of reach.
constexpr std::size_t kMostCopies = 30;

/// A change of one domain, judged by what it takes off the cost of its GPUs. A GPU at the mean load
/// of its domain or below costs nothing, one at the target as much as one move, and in between and
/// beyond the cost grows with the square.
class TargetStep {
 public:
  TargetStep(const BalanceState& state, const BalanceDomain& domain, double target)
      : state_(state),
        problem_(state.problem()),
        domain_(domain),
        relief_(problem_.experts, 0.0),
        burden_(problem_.experts, 0.0) {
    double load = 0, speed = 0;
    for (int gpu = domain.gpu_begin; gpu < domain.gpu_end; ++gpu) {
      load += state.load(gpu) * problem_.speed[gpu];
      speed += problem_.speed[gpu];
    }
    mean_ = load / speed;
    scale_ = 1 / (target - mean_);
    for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
      const int expert = state.expert(slot), gpu = problem_.gpu_of_slot[slot];
      relief_[expert] -= rise(gpu, share_of(expert, 1) - state.share(expert));
      burden_[expert] += rise(gpu, share_of(expert, -1) - state.share(expert));
    }
  }

  double mean() const { return mean_; }

  /// All changes that take something off this GPU; at most so many moves more.
  void try_gpu(int gpu, std::int64_t most_moves) {
    most_moves_ = most_moves;
    for (int slot = problem_.slot_begin[gpu]; slot < problem_.slot_begin[gpu + 1]; ++slot) {
      const int expert = state_.expert(slot);
      for (int other = domain_.slot_begin; other < domain_.slot_end; ++other) {
        try_swap(slot, other);
        try_replace(other, expert);
        if (state_.first_slot(state_.expert(other)) == other) {
          try_replace(slot, state_.expert(other));
        }
      }
    }
  }

  /// One more replica of the expert, whatever it costs, in a slot of an expert that may give one.
  template <typename MayGive>
  void try_copy(int expert, MayGive&& may_give) {
    worth_ = -std::numeric_limits<double>::infinity();
    for (int slot = domain_.slot_begin; slot < domain_.slot_end; ++slot) {
      if (may_give(state_.expert(slot))) try_replace(slot, expert);
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

  /// The expert's share with so many replicas more.
  double share_of(int expert, int more) const {
    const int count = state_.count(expert);
    return state_.share(expert) * count / std::max(count + more, 1);
  }

  std::int64_t trials() const { return trials_; }

 private:
  double cost(double load) const {
    const double beyond = std::max(load - mean_, 0.0) * scale_;
    return beyond * beyond;
  }

  /// By how much the cost of a GPU rises with a load.
  double rise(int gpu, double load) const {
    const double before = state_.load(gpu);
    return cost(before + load / problem_.speed[gpu]) - cost(before);
  }

  void try_swap(int slot, int other) {
    ++trials_;
    const int gpu = problem_.gpu_of_slot[slot], other_gpu = problem_.gpu_of_slot[other];
    const int mine = state_.expert(slot), theirs = state_.expert(other);
    const double shift = state_.share(mine) - state_.share(theirs);
    if (shift <= 0 || gpu == other_gpu) return;
    const double gain = -rise(gpu, -shift) - rise(other_gpu, shift);
    // At best both experts return.
    if (gain + 2 <= worth_ || state_.held(gpu, theirs) > 0 || state_.held(other_gpu, mine) > 0) {
      return;
    }
    take(gain, state_.moves_of_swap(slot, other), slot, other, -1);
  }

  /// A GPU that holds both experts is taken as if each of them changed alone.
  void try_replace(int slot, int expert) {
    ++trials_;
    const int gpu = problem_.gpu_of_slot[slot], old = state_.expert(slot);
    if (state_.count(old) < 2) return;
    const double others = burden_[old] - rise(gpu, share_of(old, -1) - state_.share(old));
    const double here = rise(gpu, share_of(expert, 1) - state_.share(old));
    const double gain = relief_[expert] - here - others;
    if (gain + 1 <= worth_ || state_.held(gpu, expert) > 0) return;
    take(gain, state_.moves_of_replace(slot, expert), slot, -1, expert);
  }

  void take(double gain, int moves, int slot, int other, int expert) {
    if (gain - moves <= worth_ || moves > most_moves_) return;
    worth_ = gain - moves;
    slot_ = slot;
    other_ = other;
    expert_ = expert;
  }

  const BalanceState& state_;
  const BalanceProblem& problem_;
  const BalanceDomain& domain_;
  double mean_ = 0, scale_ = 0;
  /// What one more replica of an expert takes off its GPUs, and what one less adds to them.
  std::vector<double> relief_, burden_;
  std::int64_t most_moves_ = std::numeric_limits<std::int64_t>::max();
  double worth_ = kLeastGain;  ///< the best gain so far, less its moves
  int slot_ = -1, other_ = -1, expert_ = -1;
  std::int64_t trials_ = 0;
};

class Approach {
 public:
  Approach(BalanceState& state, const SearchLimits& limits, double target)
      : state_(state),
        problem_(state.problem()),
        limits_(limits),
        target_(target),
        start_(state.placement()) {}

  bool run() {
    for (const BalanceDomain& domain : problem_.domains) {
      if (TargetStep(state_, domain, target_).mean() >= target_) return false;
    }
    take_worthwhile();
    const std::vector<int> copied = bring_down({});
    if (!copied.empty()) {
      // The same replicas from the beginning: what moved before them need not.
      state_.place(start_);
      for (const int expert : copied) add_copy(expert, copied);
      take_worthwhile();
      bring_down(copied);
    }
    if (best_.empty()) {
      state_.place(start_);
      for (const BalanceDomain& domain : problem_.domains) even_out_copies(domain);
      bring_down({});
    }
    if (best_.empty() || (limits_.max_moves >= 0 && best_moves_ > limits_.max_moves)) return false;
    state_.place(best_);
    return true;
  }

 private:
  bool out_of_time() const { return limits_.out_of_time && limits_.out_of_time(); }

  const BalanceDomain& domain_of(int gpu) const {
    return problem_.domains[problem_.domain_of_gpu(gpu)];
  }

  std::int64_t moves_left() const {
    return limits_.max_moves < 0 ? std::numeric_limits<std::int64_t>::max()
                                 : limits_.max_moves - state_.moves();
  }

  /// On each GPU beyond the target.
  void take_worthwhile() {
    std::vector<int> gpus(problem_.gpus);
    std::iota(gpus.begin(), gpus.end(), 0);
    std::int64_t trials = 0;
    bool changed = true;
    for (int pass = 0; pass < kPasses && changed; ++pass) {
      changed = false;
      std::stable_sort(gpus.begin(), gpus.end(),
                       [&](int left, int right) { return state_.load(left) > state_.load(right); });
      for (const int gpu : gpus) {
        if (state_.load(gpu) <= target_) continue;
        if (trials >= limits_.max_trials || out_of_time()) return;
        TargetStep step(state_, domain_of(gpu), target_);
        step.try_gpu(gpu, moves_left());
        trials += step.trials();
        changed |= step.apply(state_);
      }
    }
  }

  /// Exchanges among all GPUs, with further replicas where they do not suffice; experts of these
  /// and of `copied` give none. Takes down what reached the target. Which experts were copied.
  std::vector<int> bring_down(std::vector<int> copied) {
    const std::size_t before = copied.size();
    while (!out_of_time()) {
      exchange_experts(state_, target_);
      const int gpu = state_.hottest();
      if (state_.load(gpu) <= target_ || copied.size() - before == kMostCopies) break;
      // Beyond this, too few would return.
      if (moves_left() < -limits_.max_moves / 4) break;
      copied.push_back(largest_on(gpu));
      if (!add_copy(copied.back(), copied)) break;
    }
    SearchLimits limits = limits_;
    limits.good_enough = target_;
    lower_max_load(state_, limits);
    if (state_.max_load() <= target_) {
      return_home();
      if (best_.empty() || state_.moves() < best_moves_) {
        best_ = state_.placement();
        best_moves_ = state_.moves();
      }
    }
    return copied;
  }

  int largest_on(int gpu) const {
    int largest = state_.expert(problem_.slot_begin[gpu]);
    for (int slot = problem_.slot_begin[gpu]; slot < problem_.slot_begin[gpu + 1]; ++slot) {
      if (state_.share(state_.expert(slot)) > state_.share(largest)) largest = state_.expert(slot);
    }
    return largest;
  }

  /// A slot for one more replica, of an expert whose share stays below that of this one.
  bool add_copy(int expert, const std::vector<int>& copied) {
    const int gpu = problem_.gpu_of_slot[state_.first_slot(expert)];
    TargetStep step(state_, domain_of(gpu), target_);
    step.try_copy(expert, [&](int other) {
      return step.share_of(other, -1) < state_.share(expert) &&
             std::find(copied.begin(), copied.end(), other) == copied.end();
    });
    return step.apply(state_);
  }

  /// Until the largest share is as small as it gets.
  void even_out_copies(const BalanceDomain& domain) {
    while (true) {
      TargetStep step(state_, domain, target_);
      int largest = state_.expert(domain.slot_begin), giver = -1;
      for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
        const int expert = state_.expert(slot);
        if (state_.share(expert) > state_.share(largest)) largest = expert;
        if (state_.count(expert) < 2) continue;
        if (giver < 0 || step.share_of(expert, -1) < step.share_of(giver, -1)) giver = expert;
      }
      if (giver < 0 || step.share_of(giver, -1) >= state_.share(largest)) return;
      step.try_copy(largest, [&](int expert) { return expert == giver; });
      if (!step.apply(state_)) return;
    }
  }

  /// Takes moves back where every GPU stays at the target or below.
  void return_home() {
    bool changed = true;
    for (int pass = 0; pass < kPasses && changed; ++pass) {
      changed = false;
      for (int slot = 0; slot < problem_.replicas && !out_of_time(); ++slot) {
        if (state_.moved(slot)) changed |= return_home(slot);
      }
    }
  }

  bool return_home(int slot) {
    const BalanceDomain& domain = domain_of(problem_.gpu_of_slot[slot]);
    for (int other = domain.slot_begin; other < domain.slot_end; ++other) {
      const int expert = state_.expert(other);
      if (state_.moves_of_swap(slot, other) < 0 && state_.after_swap(slot, other) <= target_) {
        state_.swap(slot, other);
        return true;
      }
      if (state_.moves_of_replace(slot, expert) < 0 &&
          state_.after_replace(slot, expert, BalanceState::kForbidden) <= target_) {
        state_.replace(slot, expert);
        return true;
      }
    }
    return false;
  }

  BalanceState& state_;
  const BalanceProblem& problem_;
  const SearchLimits& limits_;
  double target_;
  const BalancePlacement start_;
  BalancePlacement best_;  ///< of those at the target, the one with the fewest moves; or empty
  int best_moves_ = 0;
};

}  // namespace

bool reach_target(BalanceState& state, const SearchLimits& limits, double target) {
  return Approach(state, limits, target).run();
}

}  // namespace fathom::plan
