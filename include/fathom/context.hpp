// The state that calls share: device, threads, kernel cache, log. Public layer; plain C++20.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <fathom/export.h>
#include <fathom/error.hpp>
#include <fathom/tensor.hpp>

namespace fathom {

/// What computes. The values are part of the C ABI (c_api.h): never renumber.
enum class Backend : std::int32_t {
  kAuto = 0,       ///< what suits the tensors: CUDA tensors on their GPU, CPU tensors on the CPU
  kCpu = 1,        ///< this machine's cores (OpenBLAS, loaded at first use)
  kCuda = 2,       ///< a Hopper GPU
  kReference = 3,  ///< FP64, plain loops: the specification, slow
};
/// "auto", "cpu", "cuda", "reference".
FATHOM_API std::string_view to_string(Backend backend);

enum class LogLevel : std::int32_t { kOff = 0, kError = 1, kWarning = 2, kInfo = 3, kDebug = 4 };
/// "off", "error", "warning", "info", "debug".
FATHOM_API std::string_view to_string(LogLevel level);

/// Called for each message at or under the chosen level, from any thread, one call at a time. It
/// may use the context; what it throws is dropped.
using LogCallback = std::function<void(LogLevel, std::string_view message)>;

/// What a Context is made with. Each field has the meaning of the environment variable named beside
/// it (docs/environment.md).
struct FATHOM_API ContextOptions {
  /// FATHOM_NUM_THREADS: cores for the CPU backend; 0 = all that this process may use.
  int num_threads = 0;
  /// FATHOM_CACHE_DIR: compiled kernels; empty = $XDG_CACHE_HOME/fathom, else $HOME/.cache/fathom.
  std::string cache_dir = {};
  /// FATHOM_LIBCUDA: the driver library; empty = libcuda.so.1.
  std::string libcuda = {};
  /// FATHOM_NVRTC: libnvrtc, or its directory; empty = searched (docs/jit_cache.md).
  std::string nvrtc = {};
  /// FATHOM_COMPILER: nvrtc (also when empty), nvcc, or none (only what a cache holds).
  std::string compiler = {};
  /// FATHOM_SYSTEM_CACHE_DIR: a cache under cache_dir that is only read; empty = none.
  std::string system_cache_dir = {};
  /// FATHOM_CACHE_LIMIT_MIB: kernels of cache_dir used longest ago are removed beyond it; 0 = no
  /// limit.
  std::int64_t cache_limit_mib = 1024;
  /// FATHOM_SITE_PACKAGES: directories of Python packages, ':' between them, where the wheels of
  /// the run-time compiler and of OpenBLAS are looked for first; empty = for the compiler those of
  /// $VIRTUAL_ENV and $CONDA_PREFIX.
  std::string site_packages = {};
  /// FATHOM_LINE_INFO: kernels carry the source lines that profilers show.
  bool line_info = false;
  /// FATHOM_OPENBLAS: the CPU matrix product; empty = searched.
  std::string openblas = {};
  /// FATHOM_LOG: off, error, warning, info, debug.
  LogLevel log_level = LogLevel::kOff;
  /// Empty = messages go nowhere. from_env with FATHOM_LOG set: standard error.
  LogCallback log = {};

  /// What the environment asks for. Later changes of the environment have no effect on contexts
  /// that exist. Throws Error(kInvalidArgument) that names the variable whose value has no meaning.
  static ContextOptions from_env();
};

/// Created once, used from any number of threads. Cheap to copy: copies share the same state.
/// Creating one starts no thread, opens no file, touches no GPU: that happens at the first call
/// that needs it.
class FATHOM_API Context {
 public:
  /// Throws Error(kInvalidArgument) when an option has no meaning.
  explicit Context(ContextOptions options = {});
  /// Context(ContextOptions::from_env()).
  static Context from_env();

  /// As given, with the defaults filled in.
  const ContextOptions& options() const;

  /// The library's own view; not for users.
  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// "1.2.3"
FATHOM_API std::string_view version();
/// The commit the library was built from, with "-dirty" when the tree had changes; "unknown"
/// outside git.
FATHOM_API std::string_view commit();

}  // namespace fathom
