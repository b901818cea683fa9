// The directory of compiled kernels: safe against races, kills, damage and other users
// (docs/jit_cache.md). JIT layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jit/cache_entry.hpp"
#include "support/files.hpp"

namespace fathom::jit {

using Warn = std::function<void(std::string_view message)>;

struct DiskCacheOptions {
  std::filesystem::path
      directory;  ///< created on demand, mode 0700; kernels lie in its kSubdirectory
  bool read_only =
      false;  ///< a layer under the user's: nothing is created, written, touched or removed
  std::int64_t limit_bytes =
      1LL << 30;           ///< least recently used kernels beyond it are removed; 0 = no limit
  std::int64_t user = -1;  ///< who must own directory and entries; -1 = who runs this process
  Warn warn;               ///< empty = silent
};

/// No failure of the file system is an error: what cannot be read is a miss, what cannot be written
/// is not kept, and one warning says so. Any number of threads and processes may use one directory
/// at once, without locks.
class DiskCache {
 public:
  /// The number changes with the layout of the directory, not with the format of entries.
  static constexpr std::string_view kSubdirectory = "kernels-v1";

  explicit DiskCache(DiskCacheOptions options);

  /// The kernel under this key. Damaged entries and entries of another owner are misses with a
  /// warning.
  std::optional<CacheEntry> find(const CacheKey& key);
  /// The kernel of this text by any compiler up to CUDA `max_major` (0 = any): the highest major
  /// wins, then the first by name.
  std::optional<CacheEntry> find_by_text(std::string_view text_key, int max_major);
  /// Publishes by unique temporary file, flush and rename, then evicts. False when the entry was
  /// not kept.
  bool store(const CacheEntry& entry);

  struct File {
    std::filesystem::path path;
    std::int64_t bytes = 0;
    std::int64_t used_seconds_ago = 0;
    std::optional<CacheEntry> entry;
    std::string problem;  ///< why entry is empty
  };
  /// Every kernel file, read and checked, sorted by name.
  std::vector<File> list();
  /// Removes every kernel and what failed_path() holds; gives how many kernels.
  std::int64_t clear();

  /// Why the directory cannot be used; empty when it can, or when it is not there yet.
  std::string problem() const;

  /// Where kernels lie: directory / kSubdirectory.
  std::filesystem::path kernels_path() const;
  /// Where the builder keeps sources that a compiler refused.
  std::filesystem::path failed_path() const { return options_.directory / "failed"; }
  const std::filesystem::path& directory() const { return options_.directory; }

 private:
  /// Whether a file or directory of this user may be used: our own, and in a read-only layer
  /// root's.
  bool trusted(std::int64_t owner) const;
  std::int64_t user() const;
  struct Opened {
    support::FileDescriptor fd;
    std::string problem;  ///< why fd is not open
    bool absent = false;  ///< it does not exist, which is no problem for a reader
  };
  Opened open_directory(bool create) const;
  /// `problem` is set when there is something under the name that cannot be used.
  std::optional<CacheEntry> read(int directory_fd, const std::string& file_name,
                                 std::string& problem) const;
  std::optional<CacheEntry> read_or_warn(int directory_fd, const std::string& file_name);
  void mark_used(int directory_fd, const std::string& file_name) const;
  std::string publish(int directory_fd, const std::string& file_name, std::string_view bytes) const;
  void evict(int directory_fd) const;
  void warn(const std::string& message) const;
  /// The first time only: a directory that is bad once is bad at every call.
  void warn_unusable(const std::string& problem);

  DiskCacheOptions options_;
  std::atomic<bool> warned_unusable_{false};
};

}  // namespace fathom::jit
