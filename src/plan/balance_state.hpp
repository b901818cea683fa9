// One layer's placement while it is being changed: loads, replica counts, where each expert lives,
// and what a change would do to them. Planning layer: pure.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "plan/balance_problem.hpp"

namespace fathom::plan {

class BalanceState {
 public:
  static constexpr double kForbidden = std::numeric_limits<double>::infinity();

  explicit BalanceState(const BalanceProblem& problem);

  /// Starts over. `current` is the placement that moves are counted against; empty = none.
  void start(std::span<const float> loads, const BalancePlacement& placement,
             const BalancePlacement& current);
  /// Another placement of the same problem.
  void place(const BalancePlacement& placement);

  const BalanceProblem& problem() const { return problem_; }
  const BalancePlacement& placement() const { return expert_of_slot_; }
  int expert(int slot) const { return expert_of_slot_[slot]; }
  int count(int expert) const { return static_cast<int>(slots_of_expert_[expert].size()); }
  int first_slot(int expert) const { return slots_of_expert_[expert].front(); }
  int held(int gpu, int expert) const { return held_[cell(gpu, expert)]; }
  double load(int gpu) const { return load_[gpu] / problem_.speed[gpu]; }
  /// What one slot of the expert carries.
  double share(int expert) const { return share_[expert]; }
  int hottest() const;
  double max_load() const { return load(hottest()); }
  int moves() const { return moves_; }
  int duplicates() const { return duplicates_; }

  /// The largest load among the GPUs that a change touches; kForbidden where it would make a
  /// duplicate, take an expert's last replica, or where it is at least `limit`.
  /// Two slots on different GPUs exchange their experts:
  double after_swap(int slot, int other) const;
  /// A slot gets another expert than it has:
  double after_replace(int slot, int expert, double limit) const;
  /// By how much a change raises moves().
  int moves_of_swap(int slot, int other) const;
  int moves_of_replace(int slot, int expert) const;

  /// Whether its expert came to a GPU that does not hold it as often in the current placement.
  bool moved(int slot) const {
    return move_of_removing(problem_.gpu_of_slot[slot], expert_of_slot_[slot]) < 0;
  }

  void swap(int slot, int other);
  void replace(int slot, int expert);

 private:
  std::size_t cell(int gpu, int expert) const {
    return static_cast<std::size_t>(gpu) * static_cast<std::size_t>(problem_.experts) +
           static_cast<std::size_t>(expert);
  }
  int move_of_adding(int gpu, int expert) const {
    return has_current_ && held_[cell(gpu, expert)] >= current_[cell(gpu, expert)] ? 1 : 0;
  }
  int move_of_removing(int gpu, int expert) const {
    return has_current_ && held_[cell(gpu, expert)] > current_[cell(gpu, expert)] ? -1 : 0;
  }
  void add(int slot, int expert);
  void remove(int slot);
  void update_share(int expert);
  void update_load(int gpu);

  const BalanceProblem& problem_;
  std::span<const float> loads_;
  BalancePlacement expert_of_slot_;
  std::vector<std::vector<int>> slots_of_expert_;
  std::vector<double> share_, load_;
  std::vector<std::uint16_t> held_, current_;  ///< [gpus, experts]: slots of a GPU with an expert
  bool has_current_ = false;
  int moves_ = 0;
  int duplicates_ = 0;
};

}  // namespace fathom::plan
