// Temporary file, sync, rename. Command-line layer.
#include "output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fathom/error.hpp>
#include <filesystem>
#include <random>

#include "interrupt.hpp"

namespace fathom::cli {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what, int error) {
  throw Error(ErrorCode::kIo, fmt::format("cannot write \"{}\": {}: {}; give another output path, "
                                          "or make room and give the right to write there",
                                          path, what, std::strerror(error)));
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// The path with symbolic links followed where it exists: the link stays, what it names is
/// replaced.
std::string follow_links(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fail(path, "it is a symbolic link that leads nowhere", errno);
  std::string target = resolved;
  std::free(resolved);
  return target;
}

std::string temporary_name(const std::string& directory) {
  // Unique among processes (pid), among the files of one process and after a crash (random bits).
  std::random_device random;
  return fmt::format("{}/.fathom-{}-{:08x}{:08x}.tmp", directory, getpid(), random(), random());
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path) {
  if (path.empty()) fail(path, "the path is empty", ENOENT);
  target_ = follow_links(path);
  struct stat status {};
  mode_t mode = 0666;
  const bool exists = stat(target_.c_str(), &status) == 0;
  if (exists) {
    if (S_ISDIR(status.st_mode)) fail(path, "it is a directory", EISDIR);
    if (!S_ISREG(status.st_mode)) fail(path, "it is not a regular file", EINVAL);
    if (access(target_.c_str(), W_OK) != 0) fail(path, "the file there may not be replaced", errno);
    mode = status.st_mode & 0777;
  } else if (path.back() == '/') {
    fail(path, "it is a directory", EISDIR);
  }
  std::string name = temporary_name(directory_of(target_));
  interrupt_slot_ = remove_on_interrupt(name);
  file_ = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file_ < 0) {
    const int error = errno;
    forget_on_interrupt(interrupt_slot_);
    fail(path, "a temporary file beside it cannot be made", error);
  }
  temporary_ = std::move(name);
  // open() took the umask off the mode, which is for new files. Where the system refuses (some file
  // systems know no modes), the file stays as open() made it.
  if (exists && fchmod(file_, mode) != 0) errno = 0;
}

OutputFile::~OutputFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
    forget_on_interrupt(interrupt_slot_);
  }
}

void OutputFile::reserve(std::int64_t bytes) {
  if (bytes == 0) return;
  // fallocate and not posix_fallocate: the latter writes zeros where the file system cannot
  // reserve.
  if (fallocate(file_, 0, 0, bytes) == 0) return;
  if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT) {
    fail(path_, fmt::format("{} bytes do not fit", bytes), errno);
  }
}

void OutputFile::write(std::int64_t offset, const void* data, std::int64_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = pwrite(file_, from, static_cast<std::size_t>(bytes), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(path_, "writing failed", written < 0 ? errno : ENOSPC);
    from += written;
    offset += written;
    bytes -= written;
  }
}

void OutputFile::commit() {
  if (fsync(file_) != 0) fail(path_, "syncing failed", errno);
  if (close(file_) != 0) {
    file_ = -1;
    fail(path_, "closing failed", errno);
  }
  file_ = -1;
  if (rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail(path_, "the finished file cannot be renamed to its name", errno);
  }
  temporary_.clear();
  forget_on_interrupt(interrupt_slot_);
  // The name itself survives a power cut only after the directory is synced; some file systems
  // refuse, which is harmless.
  const int directory = open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
}

void refuse_input_as_output(const std::string& output, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code missing;
    if (!std::filesystem::equivalent(output, input, missing)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the output \"{}\" is the input \"{}\", which it would replace; give "
                            "another output path",
                            output, input));
  }
}

void write_text_file(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(0, text.data(), static_cast<std::int64_t>(text.size()));
  file.commit();
}

}  // namespace fathom::cli
