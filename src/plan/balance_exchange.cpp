// A GPU that gives up a slot with a share of s can take an expert of up to s + its room below the
// target. Experts fit where they come to exactly if, for every size, there are at least as many
// places of that size or above as experts. So a GPU beyond the target lacks a place for the sizes
// between what it can take and what it gives up; one with room offers a place for the sizes between
// what it gives up and what it can take; and offers have to cover what lacks. Planning layer.
#include "plan/balance_exchange.hpp"

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

namespace fathom::plan {
namespace {

/// Other slots of GPUs beyond the target are tried until so many slots of others were looked at.
constexpr std::int64_t kMaxLooks = 100000;

/// A GPU that stays beyond the target is as bad as so many that take part.
constexpr int kWorthOfOne = 3;

/// A slot that may take part, and the sizes that its GPU lacks or offers then.
struct Offer {
  double low, high;
  int slot;
};

/// Which GPUs with room take part, and which of those beyond the target cannot.
struct Cover {
  std::vector<int> slots;
  std::vector<bool> left_out;
  int cost = 0;
};

class Exchange {
 public:
  Exchange(const BalanceState& state, const BalanceDomain& domain, double target)
      : state_(state), problem_(state.problem()), target_(target) {
    for (int gpu = domain.gpu_begin; gpu < domain.gpu_end; ++gpu) {
      std::vector<Offer> offers;
      for (int slot = problem_.slot_begin[gpu]; slot < problem_.slot_begin[gpu + 1]; ++slot) {
        const auto [low, high] = std::minmax({share(slot), most(slot)});
        offers.push_back({low, high, slot});
      }
      if (state.load(gpu) > target) {
        heavy_.push_back(std::move(offers));
      } else {
        light_.insert(light_.end(), offers.begin(), offers.end());
      }
    }
    std::stable_sort(light_.begin(), light_.end(),
                     [](const Offer& left, const Offer& right) { return left.high > right.high; });
  }

  /// The slots that take part.
  std::vector<int> slots() const {
    std::vector<Offer> lacking;
    for (const std::vector<Offer>& offers : heavy_) {
      lacking.push_back(*std::max_element(
          offers.begin(), offers.end(),
          [](const Offer& left, const Offer& right) { return left.high < right.high; }));
    }
    Cover best = cover(lacking);
    std::int64_t looks = 0;
    for (std::size_t i = 0; i < heavy_.size() && looks < kMaxLooks; ++i) {
      for (const Offer& offer : heavy_[i]) {
        const Offer before = std::exchange(lacking[i], offer);
        Cover next = cover(lacking);
        looks += static_cast<std::int64_t>(light_.size());
        if (next.cost < best.cost) {
          best = std::move(next);
        } else {
          lacking[i] = before;
        }
      }
    }
    for (std::size_t i = 0; i < lacking.size(); ++i) {
      if (!best.left_out[i]) best.slots.push_back(lacking[i].slot);
    }
    return std::move(best.slots);
  }

  /// The experts of these slots in an order in which each fits its slot and makes no duplicate;
  /// empty where none is found.
  std::vector<int> fitting(std::vector<int>& slots) const {
    std::vector<int> givers = slots;
    std::stable_sort(slots.begin(), slots.end(),
                     [&](int left, int right) { return most(left) > most(right); });
    std::stable_sort(givers.begin(), givers.end(),
                     [&](int left, int right) { return share(left) > share(right); });
    std::vector<int> giver(slots.size(), -1);
    for (int& chosen : giver) {
      const int slot = slots[&chosen - giver.data()];
      const auto at = std::find_if(givers.begin(), givers.end(),
                                   [&](int other) { return other >= 0 && fits(other, slot); });
      if (at != givers.end()) chosen = std::exchange(*at, -1);
    }
    // What is left over changes places with one that is not.
    for (const int other : givers) {
      if (other < 0) continue;
      const auto open = std::find(giver.begin(), giver.end(), -1);
      const int slot = slots[open - giver.begin()];
      std::size_t k = 0;
      while (k < slots.size() &&
             (giver[k] < 0 || !fits(giver[k], slot) || !fits(other, slots[k]))) {
        ++k;
      }
      if (k == slots.size()) return {};
      *open = std::exchange(giver[k], other);
    }
    std::vector<int> experts(giver.size());
    std::transform(giver.begin(), giver.end(), experts.begin(),
                   [&](int other) { return state_.expert(other); });
    return experts;
  }

 private:
  double share(int slot) const { return state_.share(state_.expert(slot)); }

  /// The largest share that the slot could hold.
  double most(int slot) const {
    const int gpu = problem_.gpu_of_slot[slot];
    return share(slot) + (target_ - state_.load(gpu)) * problem_.speed[gpu];
  }

  bool fits(int giver, int slot) const {
    const int expert = state_.expert(giver);
    const int same = state_.expert(slot) == expert ? 1 : 0;
    return share(giver) <= most(slot) && state_.held(problem_.gpu_of_slot[slot], expert) <= same;
  }

  /// From the largest size down: wherever more lack a place than are offered one, the offer that
  /// reaches furthest down takes part.
  Cover cover(const std::vector<Offer>& lacking) const {
    using Entry = std::pair<double, int>;
    std::vector<Entry> ends;  // the index of what begins there, or -1 - of what ends
    for (int i = 0; i < static_cast<int>(lacking.size()); ++i) {
      ends.emplace_back(lacking[i].high, i);
      ends.emplace_back(lacking[i].low, -1 - i);
    }
    std::sort(ends.rbegin(), ends.rend());
    Cover result{{}, std::vector<bool>(lacking.size(), false), 0};
    std::vector<bool> used(problem_.gpus, false);
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> furthest;
    std::priority_queue<double> taken;  // how far down the chosen ones reach
    std::vector<int> open;
    std::size_t next = 0;
    for (auto end = ends.begin(); end != ends.end();) {
      const double at = taken.empty() ? end->first : std::max(end->first, taken.top());
      for (; end != ends.end() && end->first == at; ++end) {
        if (end->second >= 0) open.push_back(end->second);
        if (end->second < 0) std::erase(open, -1 - end->second);
      }
      while (!taken.empty() && taken.top() >= at) taken.pop();
      for (; next < light_.size() && light_[next].high >= at; ++next) {
        furthest.emplace(light_[next].low, light_[next].slot);
      }
      while (open.size() > taken.size()) {
        while (!furthest.empty() && used[gpu_of(furthest.top())]) furthest.pop();
        if (furthest.empty() || furthest.top().first >= at) {
          leave_out(lacking, open, result);
          continue;
        }
        used[gpu_of(furthest.top())] = true;
        result.slots.push_back(furthest.top().second);
        taken.push(furthest.top().first);
      }
    }
    result.cost += static_cast<int>(result.slots.size());
    return result;
  }

  int gpu_of(const std::pair<double, int>& entry) const {
    return problem_.gpu_of_slot[entry.second];
  }

  /// The one that would go on lacking longest.
  static void leave_out(const std::vector<Offer>& lacking, std::vector<int>& open, Cover& result) {
    const auto longest = std::min_element(open.begin(), open.end(), [&](int left, int right) {
      return lacking[left].low < lacking[right].low;
    });
    result.left_out[*longest] = true;
    result.cost += kWorthOfOne;
    open.erase(longest);
  }

  const BalanceState& state_;
  const BalanceProblem& problem_;
  double target_;
  std::vector<std::vector<Offer>> heavy_;  ///< by GPU
  std::vector<Offer> light_;               ///< by descending high
};

}  // namespace

void exchange_experts(BalanceState& state, double target) {
  for (const BalanceDomain& domain : state.problem().domains) {
    const Exchange exchange(state, domain, target);
    std::vector<int> slots = exchange.slots();
    const std::vector<int> experts = exchange.fitting(slots);
    for (std::size_t i = 0; i < experts.size(); ++i) {
      if (state.expert(slots[i]) == experts[i]) continue;
      std::size_t k = i + 1;
      while (state.expert(slots[k]) != experts[i] || experts[k] == experts[i]) ++k;
      state.swap(slots[i], slots[k]);
    }
  }
}

}  // namespace fathom::plan
