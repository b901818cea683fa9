// Definitions, written out. Reference layer.
#include "reference/balance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace fathom::reference {
namespace {

using plan::BalanceProblem;

/// How often each expert stands on one GPU.
std::vector<int> held_by(const BalanceProblem& problem, std::span<const int> expert_of_slot,
                         int gpu) {
  std::vector<int> held(problem.experts, 0);
  for (int slot = problem.slot_begin[gpu]; slot < problem.slot_begin[gpu + 1]; ++slot) {
    ++held[expert_of_slot[slot]];
  }
  return held;
}

class Exhaustion {
 public:
  Exhaustion(const BalanceProblem& problem, std::span<const float> loads, bool allow_duplicates,
             std::span<const int> current, std::int64_t max_moves)
      : problem_(problem),
        loads_(loads),
        allow_duplicates_(allow_duplicates),
        current_(current),
        max_moves_(max_moves),
        placement_(problem.replicas, 0) {}

  double run() {
    fill(0, 0);
    return best_;
  }

 private:
  /// The order of a GPU's slots changes nothing: only ascending ones are tried, from `lowest` on.
  void fill(int slot, int lowest) {
    if (slot == problem_.replicas) return judge();
    const int end = problem_.slot_begin[problem_.gpu_of_slot[slot] + 1];
    for (int expert = lowest; expert < problem_.experts; ++expert) {
      placement_[slot] = expert;
      const int next = expert + (allow_duplicates_ ? 0 : 1);
      fill(slot + 1, slot + 1 == end ? 0 : next);
    }
  }

  void judge() {
    if (!broken_rule(problem_, placement_).empty()) return;
    if (!current_.empty() && moves(problem_, current_, placement_) > max_moves_) return;
    const std::vector<double> loads = gpu_loads(problem_, loads_, placement_);
    best_ = std::min(best_, *std::max_element(loads.begin(), loads.end()));
  }

  const BalanceProblem& problem_;
  std::span<const float> loads_;
  bool allow_duplicates_;
  std::span<const int> current_;
  std::int64_t max_moves_;
  std::vector<int> placement_;
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace

std::vector<double> gpu_loads(const BalanceProblem& problem, std::span<const float> loads,
                              std::span<const int> expert_of_slot) {
  std::vector<int> count(problem.experts, 0);
  for (const int expert : expert_of_slot) ++count[expert];
  std::vector<double> result(problem.gpus, 0.0);
  for (int slot = 0; slot < problem.replicas; ++slot) {
    const int expert = expert_of_slot[slot];
    result[problem.gpu_of_slot[slot]] += loads[expert] / static_cast<double>(count[expert]);
  }
  for (int gpu = 0; gpu < problem.gpus; ++gpu) result[gpu] /= problem.speed[gpu];
  return result;
}

std::int64_t duplicates(const BalanceProblem& problem, std::span<const int> expert_of_slot) {
  std::int64_t total = 0;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    for (const int held : held_by(problem, expert_of_slot, gpu)) total += std::max(held - 1, 0);
  }
  return total;
}

std::int64_t moves(const BalanceProblem& problem, std::span<const int> current,
                   std::span<const int> next) {
  std::int64_t total = 0;
  for (int gpu = 0; gpu < problem.gpus; ++gpu) {
    const std::vector<int> before = held_by(problem, current, gpu);
    const std::vector<int> after = held_by(problem, next, gpu);
    for (int expert = 0; expert < problem.experts; ++expert) {
      total += std::max(after[expert] - before[expert], 0);
    }
  }
  return total;
}

std::string broken_rule(const BalanceProblem& problem, std::span<const int> expert_of_slot) {
  std::vector<int> count(problem.experts, 0);
  std::vector<int> node_of_group(problem.groups, -1);
  for (int slot = 0; slot < problem.replicas; ++slot) {
    const int expert = expert_of_slot[slot];
    if (expert < 0 || expert >= problem.experts) {
      return fmt::format("slot {} holds expert {}; experts are 0 to {}", slot, expert,
                         problem.experts - 1);
    }
    ++count[expert];
    int& node = node_of_group[expert / problem.experts_per_group()];
    const int here = problem.node_of_gpu(problem.gpu_of_slot[slot]);
    if (problem.by_node && node >= 0 && node != here) {
      return fmt::format("slot {} holds expert {} on node {}, but its group is on node {} too",
                         slot, expert, here, node);
    }
    node = here;
  }
  const auto missing = std::find(count.begin(), count.end(), 0);
  if (missing != count.end()) {
    return fmt::format("expert {} has no slot", missing - count.begin());
  }
  for (int node = 0; problem.by_node && node < problem.nodes; ++node) {
    const auto groups = std::count(node_of_group.begin(), node_of_group.end(), node);
    if (groups == problem.groups_per_domain()) continue;
    return fmt::format("node {} has {} groups; each has {}", node, groups,
                       problem.groups_per_domain());
  }
  return "";
}

double least_max_load(const BalanceProblem& problem, std::span<const float> loads,
                      bool allow_duplicates, std::span<const int> current, std::int64_t max_moves) {
  return Exhaustion(problem, loads, allow_duplicates, current, max_moves).run();
}

}  // namespace fathom::reference
