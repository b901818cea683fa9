// Whole files in and out over POSIX calls. Support layer.
#include "support/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <fathom/error.hpp>

namespace fathom::support {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

std::optional<std::string> read_all(int fd) {
  std::string bytes;
  struct stat status {};
  if (::fstat(fd, &status) == 0 && status.st_size > 0) {
    bytes.reserve(static_cast<std::size_t>(status.st_size));
  }
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return bytes;
    if (count > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      return std::nullopt;
    }
  }
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  return read_all(file.get());
}

std::optional<std::string> read_prefix(const std::filesystem::path& path, std::size_t count) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string bytes(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, count - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

std::string random_hex() {
  std::uint64_t value = 0;
  // 8 bytes are always delivered whole (getrandom(2): up to 256 bytes are never cut short by a
  // signal).
  if (::getrandom(&value, sizeof value, 0) != sizeof value) {
    throw Error(ErrorCode::kIo,
                "getrandom: the kernel's random source gave no bytes: " + errno_text(errno));
  }
  return fmt::format("{:016x}", value);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path temporary =
      path.parent_path() / fmt::format(".tmp-{}-{}", ::getpid(), random_hex());
  const auto fail = [&](std::string_view call) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::kIo, fmt::format("write {}: {} of {}: {}", path.native(), call,
                                            temporary.native(), errno_text(error)));
  };
  const FileDescriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) fail("open");
  if (!write_all(file.get(), bytes)) fail("write");
  if (::fsync(file.get()) != 0) fail("fsync");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename");
}

std::filesystem::path make_temporary_directory(std::string_view prefix) {
  std::string pattern =
      (std::filesystem::temp_directory_path() / fmt::format("{}-XXXXXX", prefix)).native();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw Error(ErrorCode::kIo, fmt::format("make a temporary directory: mkdtemp {}: {}; set "
                                            "TMPDIR to a writable directory",
                                            pattern, errno_text(errno)));
  }
  return pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace fathom::support
