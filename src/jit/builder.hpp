// Kernel text in, machine code out: memory, then the caches on disk, then the compiler. JIT layer;
// knows no kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jit/compiler.hpp"
#include "jit/compiler_choice.hpp"
#include "jit/disk_cache.hpp"

namespace fathom::jit {

/// Where a kernel came from, when it was first asked for in this process.
enum class Origin { kCompiled, kUserCache, kSystemCache };

struct Kernel {
  std::string name;
  std::string key;    ///< equal keys, equal images: the name of its file in the cache
  std::string image;  ///< a cubin
  ResourceUse use;
  std::string compiler;     ///< identity of the one that made it
  double milliseconds = 0;  ///< to compile it, or to read it
  Origin origin = Origin::kCompiled;
  bool on_disk = true;  ///< false: no cache keeps it; the warning said why
  std::string log;      ///< the compiler's; empty when it came from a cache
};

struct BuilderOptions {
  CompilerSettings compiler;
  int driver_major = 0;  ///< CUDA version of the driver; 0 = no driver in sight
  std::string architecture = "sm_90a";
  std::vector<std::string> options = {"--std=c++20", "-default-device", "--ptxas-options=-v"};
  bool ffma_runs = true;  ///< do what sources ask of ffma_runs.hpp; false = code as compiled
  std::filesystem::path cache_directory;         ///< empty = in memory only
  std::filesystem::path system_cache_directory;  ///< read-only layer under it; empty = none
  std::int64_t cache_limit_bytes = 1LL << 30;
  Warn warn;  ///< empty = silent
};

/// Any number of threads; concurrent requests for one kernel compile it once. After a fork the
/// child may go on using its copy, provided that no other thread was inside build() or find() for a
/// moment other than a compilation.
class Builder {
 public:
  /// `headers` must outlive the builder. Nothing is opened or searched before the first kernel is
  /// asked for.
  Builder(BuilderOptions options, std::span<const embedded::DeviceSource> headers);
  /// With this compiler instead of one from the machine.
  Builder(BuilderOptions options, std::span<const embedded::DeviceSource> headers,
          std::shared_ptr<Compiler> compiler);
  ~Builder();

  /// Throws Error(kCompileFailed): the source was refused (the message holds command, log and the
  /// path of the kept source), or it is in no cache and there is no compiler (the message says what
  /// to install).
  std::shared_ptr<const Kernel> build(std::string_view name, std::string_view source);
  /// The same without compiling: null when it is neither in memory nor in a cache.
  std::shared_ptr<const Kernel> find(std::string_view name, std::string_view source);

  /// The compiler that build() would use, looked for until one is found; null when there is none.
  std::shared_ptr<Compiler> compiler();
  /// Why compiler() is null.
  std::string compiler_report();
  /// Throws Error(kCompileFailed) with compiler_report() unless there is a compiler.
  void require_compiler(std::string_view purpose);

  DiskCache& cache() { return cache_; }
  DiskCache& system_cache() { return system_cache_; }

 private:
  using KernelPointer = std::shared_ptr<const Kernel>;
  struct Slot {
    std::shared_future<KernelPointer> kernel;
    pid_t owner = 0;  ///< the process whose thread fulfils it: not ours after a fork
  };

  CompilerChoice choice();
  CompileRequest request(std::string_view name, std::string_view source) const;
  CacheKey key_of(const CompileRequest& request, const CompilerChoice& choice) const;
  KernelPointer read_caches(const CompileRequest& request, const CacheKey& key,
                            const CompilerChoice& choice);
  KernelPointer compile(const CompileRequest& request, const CacheKey& key,
                        const CompilerChoice& choice);
  [[noreturn]] void fail(const CompileRequest& request, const CacheKey& key,
                         const CompileOutput& output) const;
  /// Writes the source and its headers where a person can compile them again; gives the path.
  std::string keep_source(const CompileRequest& request, const CacheKey& key) const;

  BuilderOptions options_;
  std::span<const embedded::DeviceSource> headers_;
  std::string headers_digest_;
  DiskCache cache_;
  DiskCache system_cache_;

  std::mutex choice_mutex_;
  std::optional<CompilerChoice> choice_;

  std::mutex slots_mutex_;
  std::unordered_map<std::string, Slot> slots_;
};

}  // namespace fathom::jit
