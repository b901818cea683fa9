// What an emulated run found wrong, for programs and for people. Emulator layer: the outermost
// header with launch.hpp; includes only the standard library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fathom::emulator {

enum class FindingKind {
  kDeadlock,             ///< nobody can go on, and no copy or product is on its way
  kTransactionMismatch,  ///< bytes of a barrier's phase that nobody expected, or that never came
  kBarrierOverflow,      ///< more arrivals than a phase has room for, or a count beyond the limits
  kBarrierMisuse,        ///< not initialised, initialised while in use, unequal counts
  kOutOfBounds,          ///< shared memory, or global memory outside every registered range
  kMisaligned,           ///< an address or a coordinate against the rules of its instruction
  kNeverWritten,         ///< a value from shared memory that nobody wrote was used
  kInFlight,             ///< memory touched while a copy or a product still uses it
  kEarlyRead,            ///< an accumulator used before its wgmma had been waited for
  kMissingFence,         ///< a fence that the next instruction needs was left out
  kPeerGone,             ///< a CTA of the cluster ended while somebody still works in its memory
  kRegisterBudget,       ///< setmaxnreg asks for what the CTA's pool will never hold
  kDivergence,           ///< threads of a warp, or of a warpgroup, disagree where they must not
  kTensorMap,            ///< a tensor map that cannot be decoded, or breaks a rule of the engine
  kDependency,           ///< memory of the grid before used ahead of griddepcontrol.wait
  kTrap,                 ///< the kernel gave up by itself
};

/// "deadlock", "transaction mismatch", ...
const char* name_of(FindingKind kind);

/// Where a thread was when something was found.
struct Place {
  int cluster = -1;       ///< of the grid
  int cta = -1;           ///< %ctaid.x
  int rank = -1;          ///< of the CTA in its cluster
  int thread = -1;        ///< %tid.x; -1: no single thread is to blame
  std::string role;       ///< "loader warp 0", "math warpgroup 1 warp 3", as Options::role_of says
  std::string last_wait;  ///< "full[2] lap 3 (block 14)": the last mbarrier wait that came back
};

struct Finding {
  FindingKind kind = FindingKind::kDeadlock;
  Place place;
  std::string what;                  ///< one line, with addresses, barrier names, phases, counts
  int times = 1;                     ///< how often the same was found in this warp
  std::vector<std::string> details;  ///< deadlock: a line for each group of waiting threads
};

/// "transaction mismatch: CTA 1 (rank 1 of cluster 0) thread 256, loader warp 0, after ...: ..."
std::string to_string(const Finding& finding);

struct Report {
  std::vector<Finding> findings;
  /// Over every decision of the schedules, cluster by cluster: equal hashes are equal schedules.
  std::uint64_t trace_hash = 0;
  std::uint64_t seed = 0;
  std::int64_t switches = 0;  ///< of fibers, in all
  std::int64_t steps = 0;     ///< primitives executed, in all

  bool clean() const { return findings.empty(); }
  bool has(FindingKind kind) const;
  /// All findings, then how to replay them.
  std::string text() const;
};

}  // namespace fathom::emulator
