// Candidates, a search from each, and the choice between them. Planning layer.
#include "plan/balance_planner.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "plan/balance_bound.hpp"
#include "plan/balance_keep.hpp"
#include "plan/balance_near.hpp"
#include "plan/balance_published.hpp"
#include "plan/balance_search.hpp"
#include "plan/balance_start.hpp"

namespace fathom::plan {
namespace {

/// Changes that a search looks at: a plan of 60 layers of 256 experts on 144 GPUs then takes about
/// 30 ms of one core (docs/balance.md).
constexpr std::int64_t kMaxTrials = 100000;

/// Of two plans whose maximum loads are this close the one with fewer moves is the better.
constexpr double kWorthMoving = 1.01;

/// Sums in another order differ by rounding only.
constexpr double kRounding = 1 + 1e-9;

/// A search stops this close to the bound, if it is not worse than the published plan there.
constexpr double kCloseToBound = 1.0001;

/// Other starts that are tried while a placement is worse than the published one or holds
/// duplicates.
constexpr int kRestarts = 16;

/// The loads, each up to some times larger: other replicas and another order for the greedy start,
/// the same every time.
std::vector<float> disturbed(std::span<const float> loads, int restart) {
  std::vector<float> result(loads.begin(), loads.end());
  std::uint32_t bits = static_cast<std::uint32_t>(restart);
  for (float& load : result) {
    bits = bits * 1664525u + 1013904223u;  // the generator of Numerical Recipes
    const float most = 0.5f * static_cast<float>(1 + restart % 4);
    load *= 1 + most * static_cast<float>(bits >> 16) / 65536.0f;
  }
  return result;
}

struct Candidate {
  BalancePlacement placement;
  double max_load = 0;
  int duplicates = 0;
  int moves = 0;
};

/// Worse than every plan.
const Candidate kNothing = {{}, BalanceState::kForbidden, std::numeric_limits<int>::max(), 0};

/// Loads between the bound and the present maximum that a change of the current plan aims at: steps
/// of a bisection, so the last is within 2 % of the best.
constexpr int kTargets = 6;

class Planner {
 public:
  Planner(const BalanceProblem& problem, std::span<const float> loads,
          const BalanceRequest& request)
      : problem_(problem), loads_(loads), request_(request), state_(problem) {
    if (problem_.uniform) {
      published_ = balance_published(problem_, loads_);
      state_.start(loads_, published_.expert_of_slot, {});
      allowed_load_ = state_.max_load() * kRounding;
    }
    limits_.max_trials = kMaxTrials;
    limits_.good_enough = std::min(max_load_bound(problem, loads) * kCloseToBound, allowed_load_);
    limits_.out_of_time = request.out_of_time;
  }

  BalancePlacement plan() {
    if (request_.current.empty()) return fresh().placement;
    Candidate changed = change_current();
    if (request_.max_moves >= 0) {
      Candidate renewed = renamed(fresh());
      const bool allowed = renewed.moves <= request_.max_moves;
      return (allowed && better(renewed, changed) ? renewed : changed).placement;
    }
    Candidate renewed = renamed(fresh());
    const bool good = changed.duplicates <= renewed.duplicates &&
                      changed.max_load <= renewed.max_load * kWorthMoving &&
                      changed.max_load <= allowed_load_;
    return (good || better(changed, renewed) ? changed : renewed).placement;
  }

 private:
  Candidate taken() const {
    return {state_.placement(), state_.max_load(), state_.duplicates(), state_.moves()};
  }

  /// Loaded no more than the published plan first, then without duplicates, then less loaded.
  bool better(const Candidate& left, const Candidate& right) const {
    const auto key = [&](const Candidate& c) {
      return std::tuple(c.max_load > allowed_load_, c.duplicates, c.max_load, c.moves);
    };
    return key(left) < key(right);
  }

  Candidate searched(const BalancePlacement& start) {
    state_.start(loads_, start, {});
    lower_max_load(state_, limits_);
    return taken();
  }

  /// For what came close to the published plan and not below it.
  Candidate searched_on(const BalancePlacement& start) {
    SearchLimits limits = limits_;
    limits.max_trials = 10 * kMaxTrials;
    limits.good_enough = allowed_load_;
    state_.start(loads_, start, {});
    lower_max_load(state_, limits);
    return taken();
  }

  Candidate fresh() {
    const std::vector<int> groups = spread_groups(problem_, loads_);
    Candidate best = searched(place_experts(problem_, loads_, groups));
    if (!problem_.uniform) return best;
    if (problem_.by_node && groups != published_.node_of_group) {
      consider(best, searched(place_experts(problem_, loads_, published_.node_of_group)));
    }
    if (!good(best)) consider(best, searched_on(best.placement));
    if (!good(best)) consider(best, repaired());
    for (int i = 0; i < kRestarts && !good(best) && !out_of_time(); ++i) {
      const std::vector<float> other = disturbed(loads_, i);
      consider(best, searched(place_experts(problem_, other, spread_groups(problem_, other))));
    }
    return best;
  }

  bool good(const Candidate& c) const {
    return c.max_load <= allowed_load_ && c.duplicates <= unavoidable_duplicates();
  }

  /// GPUs with more slots than experts that may live there.
  int unavoidable_duplicates() const {
    int total = 0;
    for (int gpu = 0; gpu < problem_.gpus; ++gpu) {
      total += std::max(problem_.slots_of(gpu) - problem_.experts_per_domain(), 0);
    }
    return total;
  }

  bool out_of_time() const { return request_.out_of_time && request_.out_of_time(); }

  void consider(Candidate& best, Candidate other) {
    if (better(other, best)) best = std::move(other);
  }

  /// The published plan with its duplicates taken apart where that costs nothing.
  Candidate repaired() {
    state_.start(loads_, published_.expert_of_slot, {});
    remove_duplicates(state_, limits_, allowed_load_);
    lower_max_load(state_, limits_);
    remove_duplicates(state_, limits_, allowed_load_);
    return taken();
  }

  Candidate change_current() {
    SearchLimits limits = limits_;
    limits.max_moves = request_.max_moves;
    state_.start(loads_, request_.current, request_.current);
    remove_duplicates(state_, limits, std::max(state_.max_load(), allowed_load_));
    lower_max_load(state_, limits);
    Candidate best = taken();
    const std::vector<int> counts = counts_of(request_.current);
    const std::vector<int> fresh_counts =
        counts_of(place_experts(problem_, loads_, current_groups()));
    const double high = best.max_load;
    for (const std::vector<int>* some : {&counts, &fresh_counts}) {
      // The lowest target that the limit of moves allows, by bisection.
      double low = limits.good_enough, enough = high;
      for (int i = 0; i < kTargets && best.max_load > limits.good_enough && !out_of_time(); ++i) {
        const double target = (low + enough) / 2;
        Candidate candidate = placed_near(*some, target, limits);
        (candidate.placement.empty() ? low : enough) = target;
        consider(best, std::move(candidate));
      }
    }
    return best;
  }

  /// The current placement changed as far as the target asks for; the same as nothing where that
  /// would be too many moves.
  Candidate placed_near(const std::vector<int>& counts, double target, const SearchLimits& limits) {
    const BalancePlacement start = place_near(problem_, loads_, counts, request_.current, target);
    if (start.empty()) return kNothing;
    state_.start(loads_, start, request_.current);
    if (limits.max_moves >= 0 && state_.moves() > limits.max_moves) return kNothing;
    lower_max_load(state_, limits);
    return taken();
  }

  std::vector<int> counts_of(const BalancePlacement& placement) const {
    std::vector<int> counts(problem_.experts, 0);
    for (const int expert : placement) ++counts[expert];
    return counts;
  }

  std::vector<int> current_groups() const {
    std::vector<int> node_of_group(problem_.groups, 0);
    for (int slot = 0; slot < problem_.replicas; ++slot) {
      node_of_group[request_.current[slot] / problem_.experts_per_group()] =
          problem_.domain_of_gpu(problem_.gpu_of_slot[slot]);
    }
    return node_of_group;
  }

  Candidate renamed(Candidate candidate) {
    if (problem_.uniform) {
      candidate.placement = relabel(problem_, candidate.placement, request_.current);
    }
    state_.start(loads_, candidate.placement, request_.current);
    return taken();
  }

  const BalanceProblem& problem_;
  std::span<const float> loads_;
  const BalanceRequest& request_;
  BalanceState state_;
  SearchLimits limits_;
  PublishedPlan published_;
  /// What the published plan reaches.
  double allowed_load_ = BalanceState::kForbidden;
};

}  // namespace

BalancePlacement balance_better(const BalanceProblem& problem, std::span<const float> loads,
                                const BalanceRequest& request) {
  BalancePlacement placement = Planner(problem, loads, request).plan();
  if (request.current.empty()) return placement;
  return keep_slots(problem, placement, request.current);
}

}  // namespace fathom::plan
