// Two kinds of change: slots of two GPUs exchange their experts; a slot of an expert that has
// replicas goes to another expert. Where no single change helps, two swaps at once. Planning layer.
#include "plan/balance_search.hpp"

#include <algorithm>
#include <span>

#include "plan/balance_pairs.hpp"

namespace fathom::plan {
namespace {

/// Below this share of the old maximum a step is an improvement and not a rounding error.
constexpr double kProgress = 1 - 1e-9;

/// Swaps that a step looks at before all others: with all GPUs where those have few slots.
constexpr int kNearSwaps = 4096;

struct Change {
  double max_load = BalanceState::kForbidden;  ///< over the GPUs that it touches
  int slot = -1;
  int other = -1;   ///< the slot to swap with, or
  int expert = -1;  ///< the expert to take in

  bool found() const { return slot >= 0; }
};

class Step {
 public:
  Step(const BalanceState& state, const SearchLimits& limits, double below)
      : state_(state), problem_(state.problem()), limits_(limits) {
    best_.max_load = below;
  }

  /// Every swap of the slot with one of these GPUs.
  void try_swaps(int slot, std::span<const int> gpus) {
    for (const int gpu : gpus) try_swaps(slot, gpu);
  }

  void try_swaps(int slot, int gpu) {
    for (int other = problem_.slot_begin[gpu]; other < problem_.slot_begin[gpu + 1]; ++other) {
      ++trials_;
      const double max_load = state_.after_swap(slot, other);
      if (max_load < best_.max_load && allowed(state_.moves_of_swap(slot, other))) {
        best_ = {max_load, slot, other, -1};
      }
    }
  }

  /// The slot to every other expert of its domain, of which `experts` are neighbours in a list.
  void try_experts(int slot, const std::vector<int>& experts) {
    if (state_.count(state_.expert(slot)) < 2) return;
    for (const int expert : experts) try_replace(slot, expert);
  }

  /// Every slot of its domain to the expert of this slot.
  void try_slots(int slot) {
    const BalanceDomain& domain = domain_of(slot);
    const int expert = state_.expert(slot);
    for (int other = domain.slot_begin; other < domain.slot_end; ++other) {
      if (state_.count(state_.expert(other)) > 1) try_replace(other, expert);
    }
  }

  const Change& best() const { return best_; }
  std::int64_t trials() const { return trials_; }

 private:
  const BalanceDomain& domain_of(int slot) const {
    return problem_.domains[problem_.domain_of_gpu(problem_.gpu_of_slot[slot])];
  }

  void try_replace(int slot, int expert) {
    ++trials_;
    const double max_load = state_.after_replace(slot, expert, best_.max_load);
    if (max_load < best_.max_load && allowed(state_.moves_of_replace(slot, expert))) {
      best_ = {max_load, slot, -1, expert};
    }
  }

  bool allowed(int more_moves) const {
    return limits_.max_moves < 0 || state_.moves() + more_moves <= limits_.max_moves;
  }

  const BalanceState& state_;
  const BalanceProblem& problem_;
  const SearchLimits& limits_;
  Change best_;
  std::int64_t trials_ = 0;
};

void apply(BalanceState& state, const Change& change) {
  if (change.other >= 0) {
    state.swap(change.slot, change.other);
  } else {
    state.replace(change.slot, change.expert);
  }
}

/// Two swaps at once, where there is an improvement.
bool apply_pair(BalanceState& state, const SearchLimits& limits, int gpu, std::int64_t& trials) {
  const int more_moves =
      limits.max_moves < 0
          ? -1
          : static_cast<int>(std::max<std::int64_t>(limits.max_moves - state.moves(), 0));
  const PairSwap pair = best_pair_swap(state, gpu, state.load(gpu) * kProgress, more_moves, trials);
  if (!pair.found()) return false;
  state.swap(pair.slots[0], pair.others[0]);
  state.swap(pair.slots[1], pair.others[1]);
  return true;
}

/// The experts of a GPU's domain: those that live on it.
std::vector<int> experts_beside(const BalanceState& state, int gpu) {
  const BalanceProblem& problem = state.problem();
  const BalanceDomain& domain = problem.domains[problem.domain_of_gpu(gpu)];
  std::vector<bool> seen(problem.experts, false);
  std::vector<int> experts;
  for (int slot = domain.slot_begin; slot < domain.slot_end; ++slot) {
    const int expert = state.expert(slot);
    if (!seen[expert]) experts.push_back(expert);
    seen[expert] = true;
  }
  return experts;
}

/// The other GPUs of a domain, the least loaded first.
std::vector<int> partners_of(const BalanceState& state, int gpu) {
  const BalanceProblem& problem = state.problem();
  const BalanceDomain& domain = problem.domains[problem.domain_of_gpu(gpu)];
  std::vector<int> partners;
  for (int other = domain.gpu_begin; other < domain.gpu_end; ++other) {
    if (other != gpu) partners.push_back(other);
  }
  std::stable_sort(partners.begin(), partners.end(),
                   [&](int left, int right) { return state.load(left) < state.load(right); });
  return partners;
}

/// Looks at swaps with the least loaded GPUs, and at everything else where these do not halve what
/// is too much.
Step next_step(const BalanceState& state, const SearchLimits& limits, int gpu) {
  const BalanceProblem& problem = state.problem();
  const double max_load = state.load(gpu);
  const int begin = problem.slot_begin[gpu], end = problem.slot_begin[gpu + 1];
  const std::vector<int> partners = partners_of(state, gpu);
  std::size_t near = 0;
  int swaps = 0;
  while (near < partners.size() && swaps < kNearSwaps) {
    swaps += (end - begin) * problem.slots_of(partners[near++]);
  }
  const std::span<const int> all(partners);
  Step step(state, limits, max_load * kProgress);
  for (int slot = begin; slot < end; ++slot) step.try_swaps(slot, all.first(near));
  const double half = (max_load + std::min(limits.good_enough, max_load)) / 2;
  if (near < partners.size() && step.best().found() && step.best().max_load <= half) return step;
  const std::vector<int> experts = experts_beside(state, gpu);
  for (int slot = begin; slot < end; ++slot) {
    step.try_swaps(slot, all.subspan(near));
    step.try_experts(slot, experts);
    step.try_slots(slot);
  }
  return step;
}

}  // namespace

void lower_max_load(BalanceState& state, const SearchLimits& limits) {
  std::int64_t trials = 0;
  while (trials < limits.max_trials) {
    const int gpu = state.hottest();
    if (state.load(gpu) <= limits.good_enough) return;
    if (limits.out_of_time && limits.out_of_time()) return;
    const Step step = next_step(state, limits, gpu);
    trials += step.trials();
    if (step.best().found()) {
      apply(state, step.best());
    } else if (!apply_pair(state, limits, gpu, trials)) {
      return;
    }
  }
}

void remove_duplicates(BalanceState& state, const SearchLimits& limits, double max_load) {
  const BalanceProblem& problem = state.problem();
  for (int slot = 0; slot < problem.replicas && state.duplicates() > 0; ++slot) {
    const int gpu = problem.gpu_of_slot[slot];
    if (state.held(gpu, state.expert(slot)) < 2) continue;
    // The limit is exclusive in a step, and `max_load` itself is fine here.
    Step step(state, limits, max_load / kProgress);
    step.try_swaps(slot, partners_of(state, gpu));
    step.try_experts(slot, experts_beside(state, gpu));
    if (step.best().found()) apply(state, step.best());
  }
}

}  // namespace fathom::plan
