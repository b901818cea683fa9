// Greedy choices, each in the order that makes the greedy rule good: largest first. Planning layer.
#include "plan/balance_start.hpp"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

namespace fathom::plan {
namespace {

/// One domain's experts and how many slots each gets.
struct Replicas {
  std::vector<int> experts;
  std::vector<int> counts;  ///< beside experts
};

/// Gives each slot beyond the first of every expert to the largest load per replica. No expert gets
/// more replicas than there are GPUs, as long as others can take them.
Replicas count_replicas(std::span<const float> loads, std::vector<int> experts, int slots,
                        int gpus) {
  Replicas result{std::move(experts), {}};
  const int n = static_cast<int>(result.experts.size());
  result.counts.assign(n, 1);
  using Entry = std::tuple<int, double, int>;  // laps of all GPUs left out, load, -index
  std::priority_queue<Entry> heaviest;
  const auto entry = [&](int i) {
    const int count = result.counts[i];
    return Entry(-(count / gpus), loads[result.experts[i]] / static_cast<double>(count), -i);
  };
  for (int i = 0; i < n; ++i) heaviest.push(entry(i));
  for (int slot = n; slot < slots; ++slot) {
    const int i = -std::get<2>(heaviest.top());
    heaviest.pop();
    ++result.counts[i];
    heaviest.push(entry(i));
  }
  return result;
}

class DomainPacker {
 public:
  DomainPacker(const BalanceProblem& problem, const BalanceDomain& domain,
               BalancePlacement& placement)
      : problem_(problem),
        domain_(domain),
        placement_(placement),
        load_(problem.gpus, 0.0),
        share_(problem.replicas, 0.0) {
    for (int gpu = 0; gpu < problem.gpus; ++gpu) next_.push_back(problem.slot_begin[gpu]);
  }

  void place(int expert, double share) {
    const int gpu = lightest([&](int g) { return !holds(g, expert); });
    if (gpu >= 0) return put(gpu, expert, share);
    if (place_by_exchange(expert, share)) return;
    put(lightest([](int) { return true; }), expert, share);
  }

 private:
  bool full(int gpu) const { return next_[gpu] == problem_.slot_begin[gpu + 1]; }

  bool holds(int gpu, int expert) const {
    const auto begin = placement_.begin() + problem_.slot_begin[gpu];
    const auto end = placement_.begin() + next_[gpu];
    return std::find(begin, end, expert) != end;
  }

  template <typename Accept>
  int lightest(Accept&& accept) const {
    int best = -1;
    double least = 0;
    for (int gpu = domain_.gpu_begin; gpu < domain_.gpu_end; ++gpu) {
      const double load = load_[gpu] / problem_.speed[gpu];
      if (full(gpu) || (best >= 0 && load >= least) || !accept(gpu)) continue;
      best = gpu;
      least = load;
    }
    return best;
  }

  void put(int gpu, int expert, double share) {
    share_[next_[gpu]] = share;
    placement_[next_[gpu]++] = expert;
    load_[gpu] += share;
  }

  /// Only GPUs that hold the expert have room: a full GPU without it gives up a slot whose expert
  /// one of those can take.
  bool place_by_exchange(int expert, double share) {
    const int room = lightest([](int) { return true; });
    for (int gpu = domain_.gpu_begin; gpu < domain_.gpu_end; ++gpu) {
      if (!full(gpu) || holds(gpu, expert)) continue;
      for (int slot = next_[gpu] - 1; slot >= problem_.slot_begin[gpu]; --slot) {
        if (holds(room, placement_[slot])) continue;
        put(room, placement_[slot], share_[slot]);
        load_[gpu] += share - share_[slot];
        placement_[slot] = expert;
        share_[slot] = share;
        return true;
      }
    }
    return false;
  }

  const BalanceProblem& problem_;
  const BalanceDomain& domain_;
  BalancePlacement& placement_;
  std::vector<double> load_, share_;  ///< of GPUs, of slots
  std::vector<int> next_;             ///< first free slot of each GPU
};

void place_domain(const BalanceProblem& problem, std::span<const float> loads, int domain_index,
                  std::vector<int> experts, BalancePlacement& placement) {
  const BalanceDomain& domain = problem.domains[domain_index];
  const Replicas replicas =
      count_replicas(loads, std::move(experts), domain.slot_end - domain.slot_begin,
                     domain.gpu_end - domain.gpu_begin);
  const int n = static_cast<int>(replicas.experts.size());
  std::vector<double> shares(n);
  for (int i = 0; i < n; ++i) {
    shares[i] = loads[replicas.experts[i]] / static_cast<double>(replicas.counts[i]);
  }
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int left, int right) { return shares[left] > shares[right]; });
  DomainPacker packer(problem, domain, placement);
  for (const int i : order) {
    for (int copy = 0; copy < replicas.counts[i]; ++copy) {
      packer.place(replicas.experts[i], shares[i]);
    }
  }
}

}  // namespace

BalancePlacement place_experts(const BalanceProblem& problem, std::span<const float> loads,
                               const std::vector<int>& node_of_group) {
  std::vector<std::vector<int>> experts(problem.domains.size());
  for (int expert = 0; expert < problem.experts; ++expert) {
    const int node = problem.by_node ? node_of_group[expert / problem.experts_per_group()] : 0;
    experts[node].push_back(expert);
  }
  BalancePlacement placement(problem.replicas, -1);
  for (std::size_t domain = 0; domain < problem.domains.size(); ++domain) {
    place_domain(problem, loads, static_cast<int>(domain), std::move(experts[domain]), placement);
  }
  return placement;
}

}  // namespace fathom::plan
