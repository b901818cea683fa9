// One grouped GEMM case in device memory: rows of nobody poisoned, canaries around and inside D,
// launched and judged there, so that thousands of cases take seconds. Test support.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fathom/gemm.hpp>

#include "cuda/memory.hpp"
#include "device/gpu_problem.hpp"
#include "device/oracle.hpp"
#include "reference/problem_data.hpp"

namespace fathom::testing {

/// Device memory that cases take pieces of, one case after the other: thousands of allocations
/// would take longer than their cases.
class Arena {
 public:
  explicit Arena(std::int64_t bytes) : memory_(Oracle::instance().device(), bytes) {}
  void* take(std::int64_t bytes);
  void reset() { used_ = 0; }
  std::int64_t bytes() const { return memory_.bytes(); }

 private:
  cuda::Buffer memory_;
  std::int64_t used_ = 0;
};

/// The metadata of a spec, and what it says of each row.
struct DealtGroups {
  std::vector<std::int64_t> index;
  std::int64_t m = 0;  ///< masked: max_m
  std::int64_t num_groups = 0;
  std::vector<std::int32_t> owner;  ///< of each row (masked: g * max_m + row), -1 = nobody

  std::int64_t valid_rows() const;
};
/// Throws Error where spec.index breaks the rules of its form.
DealtGroups deal_groups(const reference::ProblemSpec& spec);

struct GroupedOptions {
  std::int64_t expected_m = 0;
  std::int64_t plane_gap = 0;  ///< masked: rows between the groups of a and d
  bool poison = true;          ///< rows of nobody and their scales hold NaN; false: numbers
};

class GroupedProblem {
 public:
  /// Takes its memory from `arena`, which the caller has reset. Of the spec: form, m, n, k,
  /// num_groups, alignment, index, index_is_int64, scale_b_block, zero_padding, data, seed, orders
  /// of scales, extra_pitch, spare_rows.
  GroupedProblem(Arena& arena, const reference::ProblemSpec& spec, const GroupedOptions& how = {});

  const GemmOperands& operands() const { return operands_; }
  const DealtGroups& groups() const { return groups_; }
  GemmOptions options() const;
  std::string text() const;

  /// Other groups for the same addresses and sizes: metadata, contents of a and their scales.
  /// `index` must have as many entries. Ordered in `stream`.
  void refill(const std::vector<std::int64_t>& index, std::uint64_t seed,
              cuda::abi::Stream stream = nullptr);
  /// Canaries everywhere in D's memory. Ordered in `stream`.
  void reset_d(cuda::abi::Stream stream = nullptr);
  /// Judges D as it is when the work in `stream` is done. `config` goes into the text.
  Verdict judge(const std::string& config, cuda::abi::Stream stream = nullptr);
  /// D's memory with its guard bands and the rows of nobody.
  std::vector<unsigned char> d_bytes() const;
  /// D's rows that somebody owns, without padding.
  std::vector<unsigned char> valid_d() const;

 private:
  void lay_out(Arena& arena);
  void fill_a(std::uint64_t seed, cuda::abi::Stream stream);
  void upload_groups(cuda::abi::Stream stream);
  CheckGemm check_params() const;
  void judge_items(CheckGemm check, cuda::abi::Stream stream);

  Oracle& oracle_ = Oracle::instance();
  reference::ProblemSpec spec_;
  GroupedOptions how_;
  DealtGroups groups_;
  GemmOperands operands_;
  std::int64_t planes_ = 1, d_memory_bytes_ = 0;
  void *owner_ = nullptr, *d_memory_ = nullptr, *result_ = nullptr, *damaged_ = nullptr,
       *flags_ = nullptr;
};

/// Plans with `options`, launches, judges, and counts into the summary. Returns the config.
std::string run_and_judge(GroupedProblem& problem, const GemmOptions& options);

/// Ends the process with a message when nothing is told to it for `seconds`: a kernel that hangs
/// would else say nothing of its case.
class Watchdog {
 public:
  explicit Watchdog(int seconds);
  ~Watchdog();
  void now(std::string what);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace fathom::testing
