// A source GPU splits its tokens for an expert into as many parts as the expert has replicas; each
// replica takes as many parts as there are GPUs. So the parts come out even, and every replica gets
// the same from sources that send the same. Planning layer.
#include "plan/balance_router.hpp"

#include <algorithm>

namespace fathom::plan {
namespace {

/// Hands the parts of one expert's sources to its replicas.
class Parts {
 public:
  Parts(const BalanceProblem& problem, const std::vector<int>& slots, std::int32_t* table,
        std::int64_t source_stride)
      : problem_(problem),
        slots_(slots),
        table_(table),
        source_stride_(source_stride),
        given_(problem.gpus, 0),
        room_(slots.size(), problem.gpus) {}

  /// To replicas that `near` accepts, as many parts as fit. A source starts at another replica than
  /// the one before it, so that sources do not queue up at the same one.
  template <typename Near>
  void hand_out(Near&& near) {
    const int count = static_cast<int>(slots_.size());
    for (int source = 0; source < problem_.gpus; ++source) {
      for (int step = 0; step < count && given_[source] < count; ++step) {
        const int replica = (source + step) % count;
        if (!near(source, problem_.gpu_of_slot[slots_[replica]])) continue;
        give(source, replica, std::min(room_[replica], count - given_[source]));
      }
    }
  }

 private:
  void give(int source, int replica, int parts) {
    std::int32_t* row = table_ + source * source_stride_;
    std::fill_n(row + given_[source], parts, static_cast<std::int32_t>(slots_[replica]));
    given_[source] += parts;
    room_[replica] -= parts;
  }

  const BalanceProblem& problem_;
  const std::vector<int>& slots_;
  std::int32_t* table_;
  std::int64_t source_stride_;
  std::vector<int> given_;  ///< parts of each source that have a replica
  std::vector<int> room_;   ///< parts that each replica still takes
};

}  // namespace

std::vector<std::int32_t> balance_router_table(const BalanceProblem& problem,
                                               const std::vector<std::vector<int>>& replica_slots,
                                               int max_count) {
  const std::int64_t source_stride = std::int64_t{problem.experts} * max_count;
  std::vector<std::int32_t> table(static_cast<std::size_t>(problem.gpus * source_stride), -1);
  for (int expert = 0; expert < problem.experts; ++expert) {
    Parts parts(problem, replica_slots[expert], table.data() + std::int64_t{expert} * max_count,
                source_stride);
    parts.hand_out([](int source, int gpu) { return source == gpu; });
    parts.hand_out([&](int source, int gpu) {
      return problem.node_of_gpu(source) == problem.node_of_gpu(gpu);
    });
    parts.hand_out([](int, int) { return true; });
  }
  return table;
}

}  // namespace fathom::plan
