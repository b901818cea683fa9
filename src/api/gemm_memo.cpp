// Plans and kernels by problem. See gemm_memo.hpp.
#include "api/gemm_memo.hpp"

#include <cstdint>
#include <mutex>
#include <utility>

namespace fathom::api {

std::size_t GemmMemo::Hash::operator()(const plan::GemmProblem& problem) const {
  // What differs between the calls of a program; equality looks at the rest.
  const std::int64_t words[] = {problem.m,
                                problem.n,
                                problem.k,
                                problem.num_groups,
                                problem.expected_m,
                                problem.max_sms,
                                problem.a.row_stride,
                                problem.scale_a.row_stride,
                                problem.scale_a.col_stride,
                                problem.d.row_stride,
                                static_cast<std::int64_t>(problem.out)};
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, by words
  for (const std::int64_t word : words)
    hash = (hash ^ static_cast<std::uint64_t>(word)) * 0x100000001b3u;
  return static_cast<std::size_t>(hash ^ hash >> 32);
}

std::optional<PlannedGemm> GemmMemo::find(const plan::GemmProblem& problem, int device) const {
  const std::shared_lock lock(mutex_);
  const auto kinds = devices_.find(device);
  if (kinds == devices_.end()) return std::nullopt;
  const auto found = kinds->second.find(problem);
  if (found == kinds->second.end()) return std::nullopt;
  return found->second;
}

void GemmMemo::keep(const plan::GemmProblem& problem, int device, PlannedGemm planned) {
  const std::unique_lock lock(mutex_);
  Kinds& kinds = devices_[device];
  if (kinds.size() >= kMostKinds) kinds.clear();
  kinds.insert_or_assign(problem, std::move(planned));
}

}  // namespace fathom::api
