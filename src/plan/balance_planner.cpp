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
#include "plan/balance_target.hpp"

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
    change_current();
    Candidate renewed = renamed(fresh());
    const bool limited = request_.max_moves >= 0;
    if (!limited || renewed.moves <= request_.max_moves) candidates_.push_back(std::move(renewed));
    const Candidate best =
        *std::min_element(candidates_.begin(), candidates_.end(),
                          [&](const auto& l, const auto& r) { return better(l, r); });
    return (limited ? best : fewest_moves(best)).placement;
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

  /// Of the candidates as good as the best one, the one that moves least.
  Candidate fewest_moves(const Candidate& best) const {
    const Candidate* least = &best;
    for (const Candidate& c : candidates_) {
      const bool as_good = c.duplicates <= best.duplicates &&
                           c.max_load <= best.max_load * kWorthMoving &&
                           (c.max_load <= allowed_load_ || best.max_load > allowed_load_);
      if (as_good && c.moves < least->moves) least = &c;
    }
    return *least;
  }

  /// Candidates that start from the current placement and keep to the limit of moves.
  void change_current() {
    SearchLimits limits = limits_;
    limits.max_moves = request_.max_moves;
    const double bound =
        max_load_bound_near(problem_, loads_, request_.current, request_.max_moves);
    limits.good_enough = bound * kCloseToBound;
    if (bound <= allowed_load_) limits.good_enough = std::min(limits.good_enough, allowed_load_);
    state_.start(loads_, request_.current, request_.current);
    remove_duplicates(state_, limits, std::max(state_.max_load(), allowed_load_));
    lower_max_load(state_, limits);
    candidates_.push_back(taken());
    const BalancePlacement fresh_start = place_experts(problem_, loads_, current_groups());
    for (const std::vector<int>& counts : {counts_of(fresh_start), counts_of(request_.current)}) {
      approach(limits, [&](double target) {
        return moved_towards(request_.current, counts, target, limits);
      });
      approach(limits, [&](double target) { return placed_near(counts, target, limits); });
    }
    if (problem_.by_node) change_groups(limits);
  }

  /// The lowest target that a way of changing the current placement reaches, by bisection.
  template <typename Change>
  void approach(const SearchLimits& limits, Change&& change) {
    double low = limits.good_enough, high = candidates_.front().max_load;
    for (int i = 0; i < kTargets && low < high && !out_of_time(); ++i) {
      const bool try_allowed = i == 0 && low < allowed_load_ && allowed_load_ < high;
      const double target = try_allowed ? allowed_load_ : (low + high) / 2;
      Candidate candidate = change(target);
      (candidate.max_load <= target ? high : low) = target;
      if (!candidate.placement.empty()) candidates_.push_back(std::move(candidate));
    }
  }

  /// Where the target asks for it, experts are placed anew. Nothing where that would be too many
  /// moves.
  Candidate placed_near(const std::vector<int>& counts, double target, const SearchLimits& limits) {
    const BalancePlacement start = place_near(problem_, loads_, counts, request_.current, target);
    if (start.empty()) return kNothing;
    state_.start(loads_, start, request_.current);
    if (limits.max_moves >= 0 && state_.moves() > limits.max_moves) return kNothing;
    lower_max_load(state_, limits);
    return taken();
  }

  /// The same after as few exchanges of groups between nodes as bring the nodes below the published
  /// maximum.
  void change_groups(const SearchLimits& limits) {
    const std::vector<int> groups = current_groups();
    const std::vector<int> next = exchange_groups(problem_, loads_, groups, allowed_load_);
    if (next == groups) return;
    const BalancePlacement start = with_groups(problem_, loads_, request_.current, next);
    state_.start(loads_, start, request_.current);
    if (limits.max_moves >= 0 && state_.moves() > limits.max_moves) return;
    const std::vector<int> counts = counts_of(place_experts(problem_, loads_, next));
    approach(limits, [&](double target) { return moved_towards(start, counts, target, limits); });
  }

  /// Replicas first, then changes that take load off all GPUs beyond the target.
  Candidate moved_towards(const BalancePlacement& start, const std::vector<int>& counts,
                          double target, const SearchLimits& limits) {
    state_.start(loads_, start, request_.current);
    change_counts(state_, limits, counts, target);
    reach_target(state_, limits, target);
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
  /// Made from the current placement, the first one by single steps only.
  std::vector<Candidate> candidates_;
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
