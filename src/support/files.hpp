// Whole files in and out, and the descriptor that closes itself. Support layer; POSIX.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace fathom::support {

/// Owns an open file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// "Permission denied", for a value of errno; safe in any thread.
std::string errno_text(int error);

/// All of an open file from its current position; nothing when a read fails.
std::optional<std::string> read_all(int fd);
/// All of the file at `path`; nothing when it cannot be opened or read.
std::optional<std::string> read_file(const std::filesystem::path& path);
/// The first `count` bytes of the file, or fewer when it is shorter; nothing when it cannot be
/// read.
std::optional<std::string> read_prefix(const std::filesystem::path& path, std::size_t count);

/// Writes every byte; false with errno set when a write fails.
bool write_all(int fd, std::string_view bytes);

/// 16 hexadecimal digits from the kernel's random source.
std::string random_hex();

/// Writes a unique temporary file beside `path`, flushes it to the disk and renames it, so that a
/// reader sees the old file or the whole new one. Throws Error(kIo) with the path and the reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// A new empty directory of mode 0700 under the system's temporary directory. Throws Error(kIo).
std::filesystem::path make_temporary_directory(std::string_view prefix);

/// The same, removed with all it holds at the end.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(std::string_view prefix) : path_(make_temporary_directory(prefix)) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace fathom::support
