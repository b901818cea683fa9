// Candidates, a search from each, and the choice between them. Planning layer.
#include "plan/balance_planner.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "plan/balance_bound.hpp"
#include "plan/balance_groups.hpp"
#include "plan/balance_keep.hpp"
#include "plan/balance_published.hpp"
#include "plan/balance_search.hpp"
#include "plan/balance_start.hpp"
#include "plan/balance_target.hpp"

namespace fathom::plan {
namespace {

/// Changes that a search looks at: 60 layers of 256 experts on 144 GPUs then take 15 ms of one
/// core, 30 ms after a step of drift (docs/balance_results.md).
constexpr std::int64_t kMaxTrials = 100000;

/// What moving all experts may cost: as much as this share of the mean load saves.
constexpr double kMoveAll = 0.2;

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

/// Loads between the bound and the best plan that a change of the current plan aims at: steps of a
/// bisection, so the last is within 2 % of the best.
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
    move_price_ = kMoveAll * mean_load(problem, loads) / problem.experts;
    limits_.max_trials = kMaxTrials;
    limits_.good_enough = std::min(max_load_bound(problem, loads) * kCloseToBound, allowed_load_);
    limits_.out_of_time = request.out_of_time;
  }

  BalancePlacement plan() {
    if (request_.current.empty()) return fresh().placement;
    change_current();
    if (!good(best_candidate()) || !out_of_time()) {
      Candidate renewed = renamed(fresh());
      if (request_.max_moves < 0 || renewed.moves <= request_.max_moves) {
        candidates_.push_back(std::move(renewed));
      }
    }
    return best_candidate().placement;
  }

 private:
  Candidate taken() const {
    return {state_.placement(), state_.max_load(), state_.duplicates(), state_.moves()};
  }

  /// Loaded no more than the published plan first, then without duplicates, then with the lower
  /// load; below the published plan's, a lower load has to be worth its moves.
  bool better(const Candidate& left, const Candidate& right) const {
    const auto key = [&](const Candidate& c) {
      return std::tuple(c.max_load > allowed_load_, c.duplicates, value(c), c.moves);
    };
    return key(left) < key(right);
  }

  double value(const Candidate& c) const {
    return c.max_load + (c.max_load > allowed_load_ ? 0 : move_price_ * c.moves);
  }

  const Candidate& best_candidate() const {
    return *std::min_element(candidates_.begin(), candidates_.end(),
                             [&](const auto& l, const auto& r) { return better(l, r); });
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

  /// Candidates that start from the current placement and keep to the limit of moves. The first
  /// change towards the published maximum takes what time it needs.
  void change_current() {
    SearchLimits limits = limits_;
    limits.max_moves = request_.max_moves;
    const double bound =
        max_load_bound_near(problem_, loads_, request_.current, request_.max_moves);
    limits.good_enough = bound * kCloseToBound;
    if (bound <= allowed_load_) limits.good_enough = std::min(limits.good_enough, allowed_load_);
    state_.start(loads_, request_.current, request_.current);
    remove_duplicates(state_, limits, std::max(state_.max_load(), allowed_load_));
    candidates_.push_back(taken());
    const BalancePlacement start = state_.placement();
    change(start, limits);
    if (problem_.by_node) change_groups(limits);
  }

  void change(const BalancePlacement& start, const SearchLimits& limits) {
    SearchLimits uncut = limits;
    uncut.out_of_time = nullptr;
    state_.start(loads_, start, request_.current);
    if (state_.max_load() > allowed_load_ && reach_target(state_, uncut, allowed_load_)) {
      candidates_.push_back(taken());
    }
    if (out_of_time()) return;
    state_.start(loads_, start, request_.current);
    lower_max_load(state_, limits);
    candidates_.push_back(taken());
    approach(start, limits);
  }

  /// Changes towards targets, by bisection, that a plan could be better with.
  void approach(const BalancePlacement& start, SearchLimits limits) {
    double low = limits.good_enough, high = BalanceState::kForbidden;
    for (int i = 0; i < kTargets && !out_of_time(); ++i) {
      const Candidate best = best_candidate();
      high = std::min(high, value(best));
      if (best.max_load > allowed_load_) low = std::max(low, allowed_load_);
      if (low >= high) return;
      const double target = (low + high) / 2;
      limits.max_moves = request_.max_moves;
      if (best.max_load <= allowed_load_) {
        const auto worthwhile = static_cast<std::int64_t>((value(best) - target) / move_price_);
        limits.max_moves =
            limits.max_moves < 0 ? worthwhile : std::min(limits.max_moves, worthwhile);
      }
      state_.start(loads_, start, request_.current);
      const bool reached = reach_target(state_, limits, target);
      (reached ? high : low) = target;
      if (reached) candidates_.push_back(taken());
    }
  }

  /// The same after as few exchanges of groups between nodes as bring the nodes below the published
  /// maximum.
  void change_groups(const SearchLimits& limits) {
    const std::vector<int> groups = current_groups();
    for (const double enough : {allowed_load_, 0.0}) {
      const std::vector<int> next = exchange_groups(problem_, loads_, groups, enough);
      if (next == groups) continue;
      const BalancePlacement start = with_groups(problem_, loads_, request_.current, next);
      state_.start(loads_, start, request_.current);
      if (limits.max_moves >= 0 && state_.moves() > limits.max_moves) return;
      change(start, limits);
      if (best_candidate().max_load <= allowed_load_) return;
    }
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
  /// Made from the current placement.
  std::vector<Candidate> candidates_;
  /// What the published plan reaches.
  double allowed_load_ = BalanceState::kForbidden;
  double move_price_ = 0;
};

}  // namespace

BalancePlacement balance_better(const BalanceProblem& problem, std::span<const float> loads,
                                const BalanceRequest& request) {
  BalancePlacement placement = Planner(problem, loads, request).plan();
  if (request.current.empty()) return placement;
  return keep_slots(problem, placement, request.current);
}

}  // namespace fathom::plan
