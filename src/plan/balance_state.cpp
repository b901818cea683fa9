// Loads are summed anew over the slots of a GPU that changes: nothing drifts. Planning layer.
#include "plan/balance_state.hpp"

#include <algorithm>

namespace fathom::plan {

BalanceState::BalanceState(const BalanceProblem& problem)
    : problem_(problem),
      expert_of_slot_(problem.replicas),
      slots_of_expert_(problem.experts),
      share_(problem.experts),
      load_(problem.gpus),
      held_(static_cast<std::size_t>(problem.gpus) * problem.experts),
      current_(held_.size()) {}

void BalanceState::start(std::span<const float> loads, const BalancePlacement& placement,
                         const BalancePlacement& current) {
  loads_ = loads;
  has_current_ = !current.empty();
  if (has_current_) {
    std::fill(current_.begin(), current_.end(), std::uint16_t{0});
    for (int slot = 0; slot < problem_.replicas; ++slot) {
      ++current_[cell(problem_.gpu_of_slot[slot], current[slot])];
    }
  }
  place(placement);
}

void BalanceState::place(const BalancePlacement& placement) {
  std::fill(held_.begin(), held_.end(), std::uint16_t{0});
  moves_ = duplicates_ = 0;
  for (std::vector<int>& slots : slots_of_expert_) slots.clear();
  for (int slot = 0; slot < problem_.replicas; ++slot) add(slot, placement[slot]);
  for (int expert = 0; expert < problem_.experts; ++expert) update_share(expert);
  for (int gpu = 0; gpu < problem_.gpus; ++gpu) update_load(gpu);
}

int BalanceState::hottest() const {
  int best = 0;
  for (int gpu = 1; gpu < problem_.gpus; ++gpu) {
    if (load(gpu) > load(best)) best = gpu;
  }
  return best;
}

double BalanceState::after_swap(int slot, int other) const {
  const int gpu = problem_.gpu_of_slot[slot], other_gpu = problem_.gpu_of_slot[other];
  const int mine = expert_of_slot_[slot], theirs = expert_of_slot_[other];
  if (held(gpu, theirs) > 0 || held(other_gpu, mine) > 0) return kForbidden;
  const double shift = share_[mine] - share_[theirs];
  return std::max((load_[gpu] - shift) / problem_.speed[gpu],
                  (load_[other_gpu] + shift) / problem_.speed[other_gpu]);
}

double BalanceState::after_replace(int slot, int expert, double limit) const {
  const int gpu = problem_.gpu_of_slot[slot], old = expert_of_slot_[slot];
  if (count(old) < 2 || held(gpu, expert) > 0) return kForbidden;
  const double old_share = loads_[old] / static_cast<double>(count(old) - 1);
  const double new_share = loads_[expert] / static_cast<double>(count(expert) + 1);
  const auto after = [&](int changed) {
    const int here = changed == gpu ? 1 : 0;
    const int with_old = held(changed, old), with_new = held(changed, expert);
    const double load = load_[changed] + (with_old - here) * old_share - with_old * share_[old] +
                        (with_new + here) * new_share - with_new * share_[expert];
    return load / problem_.speed[changed];
  };
  double largest = after(gpu);
  if (largest >= limit) return kForbidden;
  for (const std::vector<int>* slots : {&slots_of_expert_[old], &slots_of_expert_[expert]}) {
    for (const int changed : *slots) {
      largest = std::max(largest, after(problem_.gpu_of_slot[changed]));
      if (largest >= limit) return kForbidden;
    }
  }
  return largest;
}

int BalanceState::moves_of_swap(int slot, int other) const {
  const int gpu = problem_.gpu_of_slot[slot], other_gpu = problem_.gpu_of_slot[other];
  const int mine = expert_of_slot_[slot], theirs = expert_of_slot_[other];
  return move_of_removing(gpu, mine) + move_of_adding(gpu, theirs) +
         move_of_removing(other_gpu, theirs) + move_of_adding(other_gpu, mine);
}

int BalanceState::moves_of_replace(int slot, int expert) const {
  const int gpu = problem_.gpu_of_slot[slot];
  return move_of_removing(gpu, expert_of_slot_[slot]) + move_of_adding(gpu, expert);
}

void BalanceState::swap(int slot, int other) {
  const int mine = expert_of_slot_[slot], theirs = expert_of_slot_[other];
  remove(slot);
  remove(other);
  add(slot, theirs);
  add(other, mine);
  update_load(problem_.gpu_of_slot[slot]);
  update_load(problem_.gpu_of_slot[other]);
}

void BalanceState::replace(int slot, int expert) {
  const int old = expert_of_slot_[slot];
  remove(slot);
  add(slot, expert);
  update_share(old);
  update_share(expert);
  update_load(problem_.gpu_of_slot[slot]);
  for (const int changed : slots_of_expert_[old]) update_load(problem_.gpu_of_slot[changed]);
  for (const int changed : slots_of_expert_[expert]) update_load(problem_.gpu_of_slot[changed]);
}

void BalanceState::add(int slot, int expert) {
  const int gpu = problem_.gpu_of_slot[slot];
  moves_ += move_of_adding(gpu, expert);
  if (held_[cell(gpu, expert)]++ > 0) ++duplicates_;
  expert_of_slot_[slot] = expert;
  slots_of_expert_[expert].push_back(slot);
}

void BalanceState::remove(int slot) {
  const int gpu = problem_.gpu_of_slot[slot], expert = expert_of_slot_[slot];
  moves_ += move_of_removing(gpu, expert);
  if (--held_[cell(gpu, expert)] > 0) --duplicates_;
  std::vector<int>& slots = slots_of_expert_[expert];
  slots.erase(std::find(slots.begin(), slots.end(), slot));
}

void BalanceState::update_share(int expert) {
  share_[expert] = loads_[expert] / static_cast<double>(count(expert));
}

void BalanceState::update_load(int gpu) {
  double sum = 0;
  for (int slot = problem_.slot_begin[gpu]; slot < problem_.slot_begin[gpu + 1]; ++slot) {
    sum += share_[expert_of_slot_[slot]];
  }
  load_[gpu] = sum;
}

}  // namespace fathom::plan
