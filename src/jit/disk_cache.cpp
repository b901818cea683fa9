// The cache directory over POSIX calls relative to one directory descriptor, so that the owner that
// was checked is the owner of what is used. JIT layer.
#include "jit/disk_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <system_error>

namespace fathom::jit {
namespace {

constexpr std::string_view kSuffix = ".kernel";
constexpr std::string_view kTemporaryPrefix = ".tmp-";
// A publication takes milliseconds; a temporary file this old belongs to a process that died.
constexpr std::int64_t kStaleSeconds = 3600;
// "Last used" is kept in the modification time; coarse, so that a start with a warm cache writes
// nothing.
constexpr std::int64_t kTouchSeconds = 3600;

std::int64_t age_seconds(const struct stat& status) {
  return std::int64_t{::time(nullptr)} - std::int64_t{status.st_mtim.tv_sec};
}

std::vector<std::string> names_in(int directory_fd) {
  std::vector<std::string> names;
  // A descriptor of its own: fdopendir takes over the one it gets.
  const int own = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own), &::closedir);
  if (!stream) {
    ::close(own);
    return names;
  }
  while (const dirent* item = ::readdir(stream.get())) names.emplace_back(item->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

/// mkdir -p with mode 0700 for each directory made; an errno, 0 when it exists now.
int make_directories(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return 0;
  if (errno != ENOENT || path == path.parent_path()) return errno;
  if (const int error = make_directories(path.parent_path())) return error;
  return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
}

}  // namespace

DiskCache::DiskCache(DiskCacheOptions options) : options_(std::move(options)) {}

std::filesystem::path DiskCache::kernels_path() const {
  return options_.directory / kSubdirectory;
}

std::int64_t DiskCache::user() const {
  return options_.user >= 0 ? options_.user : std::int64_t{::geteuid()};
}

bool DiskCache::trusted(std::int64_t owner) const {
  return owner == user() || (options_.read_only && owner == 0);
}

DiskCache::Opened DiskCache::open_directory(bool create) const {
  const std::filesystem::path path = kernels_path();
  if (options_.directory.empty()) return {{}, "no directory is set", true};
  if (create) {
    if (const int error = make_directories(path)) {
      return {{}, fmt::format("cannot make {}: {}", path.native(), support::errno_text(error))};
    }
  }
  support::FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return {{},
            fmt::format("cannot open {}: {}", path.native(), support::errno_text(errno)),
            errno == ENOENT};
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return {{}, fmt::format("cannot read {}: {}", path.native(), support::errno_text(errno))};
  }
  if (!trusted(status.st_uid)) {
    return {
        {},
        fmt::format("{} belongs to user {}, not to user {}", path.native(), status.st_uid, user())};
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return {{},
            fmt::format("others may write to {} (mode {:04o}; chmod go-w)", path.native(),
                        status.st_mode & 07777)};
  }
  return {std::move(fd), ""};
}

std::optional<CacheEntry> DiskCache::read(int directory_fd, const std::string& file_name,
                                          std::string& problem) const {
  // O_NONBLOCK: a FIFO under this name must not stop us.
  const support::FileDescriptor file(
      ::openat(directory_fd, file_name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    if (errno != ENOENT) problem = "cannot be opened: " + support::errno_text(errno);
    return std::nullopt;
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    problem = "is not a regular file";
    return std::nullopt;
  }
  if (!trusted(status.st_uid)) {
    problem = fmt::format("belongs to user {}, not to user {}", status.st_uid, user());
    return std::nullopt;
  }
  const std::optional<std::string> bytes = support::read_all(file.get());
  if (!bytes) {
    problem = "cannot be read: " + support::errno_text(errno);
    return std::nullopt;
  }
  DecodedEntry decoded = decode_entry(*bytes);
  if (decoded.entry && decoded.entry->key.file_name() != file_name) {
    decoded = {std::nullopt, "holds another kernel than its name says"};
  }
  if (!decoded.entry) {
    problem = "is unusable: " + decoded.reason;
    return std::nullopt;
  }
  return std::move(decoded.entry);
}

void DiskCache::mark_used(int directory_fd, const std::string& file_name) const {
  struct stat status {};
  if (options_.read_only ||
      ::fstatat(directory_fd, file_name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return;
  }
  if (age_seconds(status) > kTouchSeconds) {
    ::utimensat(directory_fd, file_name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
}

std::optional<CacheEntry> DiskCache::read_or_warn(int directory_fd, const std::string& file_name) {
  std::string problem;
  std::optional<CacheEntry> entry = read(directory_fd, file_name, problem);
  if (!problem.empty()) {
    warn(fmt::format("kernel cache: {} {}; it counts as a miss{}",
                     (kernels_path() / file_name).native(), problem,
                     options_.read_only ? "" : " and will be replaced"));
  }
  return entry;
}

std::optional<CacheEntry> DiskCache::find(const CacheKey& key) {
  const Opened directory = open_directory(false);
  if (directory.absent) return std::nullopt;
  if (!directory.fd) {
    warn_unusable(directory.problem);
    return std::nullopt;
  }
  std::optional<CacheEntry> entry = read_or_warn(directory.fd.get(), key.file_name());
  if (entry) mark_used(directory.fd.get(), key.file_name());
  return entry;
}

std::optional<CacheEntry> DiskCache::find_by_text(std::string_view text_key, int max_major) {
  const Opened directory = open_directory(false);
  if (directory.absent) return std::nullopt;
  if (!directory.fd) {
    warn_unusable(directory.problem);
    return std::nullopt;
  }
  std::optional<CacheEntry> best;
  for (const std::string& name : names_in(directory.fd.get())) {
    if (!name.starts_with(text_key) || !name.ends_with(kSuffix)) continue;
    std::optional<CacheEntry> entry = read_or_warn(directory.fd.get(), name);
    if (!entry || (max_major != 0 && entry->cuda_major > max_major)) continue;
    if (!best || entry->cuda_major > best->cuda_major) best = std::move(entry);
  }
  if (best) mark_used(directory.fd.get(), best->key.file_name());
  return best;
}

std::string DiskCache::publish(int directory_fd, const std::string& file_name,
                               std::string_view bytes) const {
  const std::string temporary =
      fmt::format("{}{}-{}", kTemporaryPrefix, ::getpid(), support::random_hex());
  const auto failed = [&](std::string_view call) {
    const std::string reason = support::errno_text(errno);
    ::unlinkat(directory_fd, temporary.c_str(), 0);
    return fmt::format("{} in {}: {}", call, kernels_path().native(), reason);
  };
  const support::FileDescriptor file(
      ::openat(directory_fd, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failed("cannot create a file");
  if (!support::write_all(file.get(), bytes)) return failed("cannot write");
  // Before the rename: otherwise a power cut could leave the name on a file without its contents.
  if (::fsync(file.get()) != 0) return failed("cannot flush");
  if (::renameat(directory_fd, temporary.c_str(), directory_fd, file_name.c_str()) != 0) {
    return failed("cannot rename");
  }
  return "";
}

bool DiskCache::store(const CacheEntry& entry) {
  if (options_.read_only) return false;
  const Opened directory = open_directory(true);
  const std::string problem =
      directory.fd ? publish(directory.fd.get(), entry.key.file_name(), encode_entry(entry))
                   : directory.problem;
  if (!problem.empty()) {
    warn_unusable(problem);
    return false;
  }
  evict(directory.fd.get());
  return true;
}

void DiskCache::evict(int directory_fd) const {
  struct Kernel {
    std::string name;
    std::int64_t bytes;
    struct timespec used;
  };
  std::vector<Kernel> kernels;
  std::int64_t total = 0;
  for (const std::string& name : names_in(directory_fd)) {
    struct stat status {};
    if (::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (name.starts_with(kTemporaryPrefix) && age_seconds(status) > kStaleSeconds) {
      ::unlinkat(directory_fd, name.c_str(), 0);
    } else if (name.ends_with(kSuffix)) {
      kernels.push_back({name, status.st_size, status.st_mtim});
      total += status.st_size;
    }
  }
  if (options_.limit_bytes <= 0 || total <= options_.limit_bytes) return;
  std::sort(kernels.begin(), kernels.end(), [](const Kernel& a, const Kernel& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  for (const Kernel& kernel : kernels) {
    if (total <= options_.limit_bytes) break;
    if (::unlinkat(directory_fd, kernel.name.c_str(), 0) == 0) total -= kernel.bytes;
  }
}

std::vector<DiskCache::File> DiskCache::list() {
  std::vector<File> files;
  const Opened directory = open_directory(false);
  if (!directory.fd) {
    if (!directory.absent) warn_unusable(directory.problem);
    return files;
  }
  for (const std::string& name : names_in(directory.fd.get())) {
    if (!name.ends_with(kSuffix)) continue;
    File file;
    file.path = kernels_path() / name;
    struct stat status {};
    if (::fstatat(directory.fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      file.bytes = status.st_size;
      file.used_seconds_ago = age_seconds(status);
    }
    file.entry = read(directory.fd.get(), name, file.problem);
    // Removed by another process since the directory was read.
    if (!file.entry && file.problem.empty()) continue;
    files.push_back(std::move(file));
  }
  return files;
}

std::string DiskCache::problem() const {
  const Opened directory = open_directory(false);
  return directory.absent ? "" : directory.problem;
}

std::int64_t DiskCache::clear() {
  std::int64_t removed = 0;
  const Opened directory = open_directory(false);
  if (!directory.fd && !directory.absent) {
    warn_unusable(directory.problem);
    return removed;
  }
  std::error_code ignored;
  if (!options_.directory.empty()) std::filesystem::remove_all(failed_path(), ignored);
  if (directory.absent) return removed;
  for (const std::string& name : names_in(directory.fd.get())) {
    // Temporary files stay: another process may be about to rename one; evict removes those that
    // nobody will.
    if (name.ends_with(kSuffix) && ::unlinkat(directory.fd.get(), name.c_str(), 0) == 0) ++removed;
  }
  return removed;
}

void DiskCache::warn(const std::string& message) const {
  if (options_.warn) options_.warn(message);
}

void DiskCache::warn_unusable(const std::string& problem) {
  if (warned_unusable_.exchange(true)) return;
  warn(fmt::format("kernel cache: {}; {}; set {} to a directory of your own", problem,
                   options_.read_only
                       ? "this layer is not used"
                       : "compiled kernels stay in this process's memory and are not kept",
                   options_.read_only ? "FATHOM_SYSTEM_CACHE_DIR" : "FATHOM_CACHE_DIR"));
}

}  // namespace fathom::jit
