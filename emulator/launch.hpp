// Runs a kernel of device/, compiled for the host against emulator/ptx/, on this machine's cores.
// Emulator layer: its interface; includes only report.hpp and the standard library.
//
//   Memory memory;
//   memory.allow("d", d, d_bytes, Access::kReadWrite);
//   Report report = run(&entry<kConfig>, {.grid = 4, .cluster = 2, .threads = 384, ...}, &params,
//                       sizeof params, memory, {.seed = 7});
//
// where template <Config kConfig> void entry(const void* params, unsigned char* shared) calls
// Kernel<kConfig>::run. Clusters run independently of each other, several at a time: a kernel whose
// clusters wait for one another through global memory cannot run here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/report.hpp"

namespace fathom::emulator {

/// The body of a kernel for one thread. `params` is the launch's copy of the parameter, 64-byte
/// aligned; `shared` stands for the CTA's dynamic shared memory, for ptx::smem_address alone.
using KernelEntry = void (*)(const void* params, unsigned char* shared);

struct LaunchShape {
  int grid = 1;     ///< CTAs, along x
  int cluster = 1;  ///< CTAs of a cluster, along x; divides grid
  int threads = 0;  ///< of a CTA; a multiple of 32
  int shared_bytes = 0;
  /// 32-bit registers a thread starts with, what setmaxnreg moves; 0: as many as one CTA an SM can
  /// have (65536 / threads, rounded down to 8).
  int registers = 0;
  /// The launch has the attribute: global memory may be touched only after griddepcontrol.wait.
  bool programmatic = false;
};

enum class Access { kRead, kReadWrite };

/// Global memory that kernels may touch. Accesses through ptx/ and by copy engines are checked
/// against it; an empty one checks nothing.
class Memory {
 public:
  struct Range {
    std::string name;
    std::uintptr_t begin = 0, end = 0;
    Access access = Access::kRead;
  };

  /// An access must lie wholly inside one range that allows it; ranges may overlap.
  void allow(std::string name, const void* base, std::size_t bytes, Access access);
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

/// A part of shared memory with a name: `count` elements of `bytes` from `offset` on. Barriers of a
/// ring are one region with bytes = 8.
struct SharedRegion {
  std::string name;
  int offset = 0;
  int bytes = 0;
  int count = 1;
};

struct Options {
  /// Decides the whole schedule: who runs, where threads are switched, how late copies land. The
  /// number of host threads decides nothing.
  std::uint64_t seed = 1;
  int num_threads = 0;  ///< host threads; 0: one a core
  /// Chance of a switch at each primitive; negative: drawn from the seed, between 1/256 and 1/2.
  double switch_probability = -1;
  /// Primitives of one cluster after which it counts as hanging.
  std::int64_t max_steps = 2'000'000'000;
  int max_findings = 32;  ///< of one cluster; it is given up then
  /// The kernel takes its parameter by value: tensor maps in its copy count as the launch's own.
  bool params_by_value = false;
  std::vector<SharedRegion> regions = {};
  std::function<std::string(int thread)> role_of = {};
};

/// Runs the grid to its end or to its first fatal finding. Throws std::invalid_argument for a
/// launch that no device accepts. Equal arguments give equal results and reports.
Report run(KernelEntry kernel, const LaunchShape& shape, const void* params,
           std::size_t param_bytes, const Memory& memory, const Options& options);

}  // namespace fathom::emulator
