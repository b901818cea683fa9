// Kernel times from CUPTI's activity records, the way profilers take them: start and end as the GPU
// saw them, without the launch. Benchmark layer; CUPTI is loaded at run time and is not needed by
// anything else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fathom::bench {

/// One kernel or memset that ran on the GPU.
struct Activity {
  std::string name;  ///< empty for a memset
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::int64_t memset_bytes = 0;  ///< 0 for a kernel
};

class Cupti {
 public:
  /// CUPTI from `files` (the first that loads), or nothing and the reason in `why_not`.
  static std::unique_ptr<Cupti> load(const std::vector<std::string>& files, std::string* why_not);
  ~Cupti();

  /// Records kernels and memsets from now on.
  void start();
  /// What ran since start(), by start time; the caller has synchronised.
  std::vector<Activity> stop();

 private:
  struct Api;
  explicit Cupti(std::unique_ptr<Api> api);
  void check(int result, const char* call) const;

  std::unique_ptr<Api> api_;
};

}  // namespace fathom::bench
