// What calls of one kind share, whatever their addresses are: plan and kernel, found again by the
// problem. Front end, internal; includes no driver call.
#pragma once

#include <cstddef>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "cuda/library.hpp"
#include "plan/gemm_planner.hpp"

namespace fathom::api {

struct PlannedGemm {
  plan::GemmPlan plan;        ///< without candidates: they are many, and explain() plans anew
  std::string tag;            ///< of plan.config
  cuda::Function function{};  ///< no handle before a call of this kind was bound
};

/// Any number of threads. Planning takes 15 us and finding 0.2 us (2026-11-21, AMD EPYC with the
/// recording driver), and a server calls with a few thousand kinds.
class GemmMemo {
 public:
  /// Kinds that are kept, of about 1 KiB each; the next one drops them all.
  static constexpr std::size_t kMostKinds = 16384;

  std::optional<PlannedGemm> find(const plan::GemmProblem& problem, int device) const;
  void keep(const plan::GemmProblem& problem, int device, PlannedGemm planned);

 private:
  struct Hash {
    std::size_t operator()(const plan::GemmProblem& problem) const;
  };
  using Kinds = std::unordered_map<plan::GemmProblem, PlannedGemm, Hash>;

  mutable std::shared_mutex mutex_;
  std::unordered_map<int, Kinds> devices_;
};

}  // namespace fathom::api
