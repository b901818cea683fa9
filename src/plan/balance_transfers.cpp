// Sources first, so that no GPU has to send much more than others; then each transfer goes into the
// first round in which both its ends are free, those of busy GPUs before others. Planning layer.
#include "plan/balance_transfers.hpp"

#include <algorithm>

namespace fathom::plan {
namespace {

using balance::LinkLimits;
using balance::Transfer;

class Links {
 public:
  Links(const BalanceProblem& problem, const LinkLimits& limits)
      : problem_(problem), limits_(limits), sends_(problem.gpus, 0), receives_(problem.gpus, 0) {}

  /// The slot that sends: on the receiver's node where one is, then on the GPU with least to send.
  int source(const std::vector<int>& holders, int receiver) {
    const int node = problem_.node_of_gpu(receiver);
    int best = -1;
    bool best_far = true;
    for (const int slot : holders) {
      const int gpu = problem_.gpu_of_slot[slot];
      const bool far = problem_.node_of_gpu(gpu) != node;
      const bool nearer = best_far && !far;
      const bool idler =
          far == best_far && (best < 0 || sends_[gpu] < sends_[problem_.gpu_of_slot[best]]);
      if (best >= 0 && !nearer && !idler) continue;
      best = slot;
      best_far = far;
    }
    ++sends_[problem_.gpu_of_slot[best]];
    ++receives_[receiver];
    return best;
  }

  /// How many transfers share a GPU with this one: the busy ones decide how many rounds there are.
  std::int64_t pressure(const Transfer& transfer) const {
    const int from = gpu(transfer.from_slot), to = gpu(transfer.to_slot);
    return std::max(sends_[from] / limits_.sends_per_gpu, receives_[to] / limits_.receives_per_gpu);
  }

  /// The first round in which the transfer fits; takes its place there.
  std::int64_t take_round(const Transfer& transfer) {
    const int from = gpu(transfer.from_slot), to = gpu(transfer.to_slot);
    const int from_node = problem_.node_of_gpu(from), to_node = problem_.node_of_gpu(to);
    const bool far = from_node != to_node;
    for (std::size_t round = 0;; ++round) {
      if (round == rounds_.size()) rounds_.push_back(Round(problem_));
      Round& r = rounds_[round];
      if (r.sends[from] >= limits_.sends_per_gpu || r.receives[to] >= limits_.receives_per_gpu) {
        continue;
      }
      if (far && (full(r.node_sends[from_node], limits_.sends_per_node) ||
                  full(r.node_receives[to_node], limits_.receives_per_node))) {
        continue;
      }
      ++r.sends[from];
      ++r.receives[to];
      r.node_sends[from_node] += far ? 1 : 0;
      r.node_receives[to_node] += far ? 1 : 0;
      return static_cast<std::int64_t>(round);
    }
  }

 private:
  struct Round {
    explicit Round(const BalanceProblem& problem)
        : sends(problem.gpus, 0),
          receives(problem.gpus, 0),
          node_sends(problem.nodes, 0),
          node_receives(problem.nodes, 0) {}
    std::vector<int> sends, receives, node_sends, node_receives;
  };

  static bool full(int used, std::int64_t limit) { return limit > 0 && used >= limit; }
  int gpu(std::int64_t slot) const { return problem_.gpu_of_slot[slot]; }

  const BalanceProblem& problem_;
  const LinkLimits& limits_;
  std::vector<int> sends_, receives_;
  std::vector<Round> rounds_;
};

/// The slots of a GPU whose expert it does not hold yet: one for each expert.
std::vector<int> new_slots(const BalanceProblem& problem, const BalancePlacement& current,
                           const BalancePlacement& next, int gpu) {
  std::vector<int> held(current.begin() + problem.slot_begin[gpu],
                        current.begin() + problem.slot_begin[gpu + 1]);
  std::vector<int> slots;
  for (int slot = problem.slot_begin[gpu]; slot < problem.slot_begin[gpu + 1]; ++slot) {
    if (std::find(held.begin(), held.end(), next[slot]) != held.end()) continue;
    held.push_back(next[slot]);
    slots.push_back(slot);
  }
  return slots;
}

}  // namespace

std::vector<Transfer> balance_transfers(const BalanceProblem& problem,
                                        const BalancePlacement& current,
                                        const BalancePlacement& next, const LinkLimits& limits) {
  std::vector<std::vector<int>> holders(problem.experts);
  for (int slot = 0; slot < problem.replicas; ++slot) holders[current[slot]].push_back(slot);
  Links links(problem, limits);
  std::vector<Transfer> transfers;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    for (const int slot : new_slots(problem, current, next, gpu)) {
      transfers.push_back({0, next[slot], links.source(holders[next[slot]], gpu), slot});
    }
  }
  std::stable_sort(transfers.begin(), transfers.end(), [&](const auto& left, const auto& right) {
    return links.pressure(left) > links.pressure(right);
  });
  for (Transfer& transfer : transfers) transfer.round = links.take_round(transfer);
  std::stable_sort(transfers.begin(), transfers.end(),
                   [](const auto& left, const auto& right) { return left.round < right.round; });
  return transfers;
}

}  // namespace fathom::plan
