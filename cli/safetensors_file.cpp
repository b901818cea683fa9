// Reading and writing the data of safetensors files piece by piece. Command-line layer; plain
// POSIX.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fathom/error.hpp>
#include <numeric>

#include "safetensors.hpp"

namespace fathom::cli {
namespace {

constexpr std::int64_t kLengthBytes = 8;

[[noreturn]] void fail_read(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kIo,
              fmt::format("cannot read \"{}\": {}; give the path of a readable file", path, what));
}

void read_all(int file, const std::string& path, std::int64_t offset, void* out,
              std::int64_t bytes) {
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = pread(file, to, static_cast<std::size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_read(path, std::strerror(errno));
    if (got == 0) fail_read(path, "it became shorter while it was being read");
    to += got;
    offset += got;
    bytes -= got;
  }
}

std::int64_t little_endian(const unsigned char (&bytes)[kLengthBytes]) {
  std::uint64_t value = 0;
  for (int i = 0; i < kLengthBytes; ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value > static_cast<std::uint64_t>(INT64_MAX) ? INT64_MAX
                                                       : static_cast<std::int64_t>(value);
}

/// Insertions, deletions and replacements between two names.
std::size_t edit_distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= x.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= y.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[y.size()];
}

std::string nearest_names(const SafetensorsHeader& header, std::string_view name) {
  constexpr std::size_t kShown = 3, kCompared = 20'000, kLongestName = 256;
  std::vector<std::pair<std::size_t, std::string_view>> names;
  for (const SafetensorsEntry& entry : header.tensors) {
    if (names.size() == kCompared)
      break;  // a hint must not take longer than the error it helps with
    if (entry.name.size() > kLongestName || name.size() > kLongestName) continue;
    const bool part = !name.empty() && entry.name.find(name) != std::string::npos;
    names.emplace_back(part ? 0 : edit_distance(entry.name, name), entry.name);
  }
  if (names.empty()) return "it holds no tensors";
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kShown, names.size()));
  std::partial_sort(names.begin(), names.begin() + shown, names.end());
  std::vector<std::string> quoted;
  for (auto it = names.begin(); it != names.begin() + shown; ++it) {
    quoted.push_back(fmt::format("\"{}\"", it->second));
  }
  return fmt::format("the nearest of its {} names: {}", header.tensors.size(),
                     fmt::join(quoted, ", "));
}

/// The element alignment that the layout sorts by: bytes, or 1 for types under a byte.
int dtype_alignment(const SafetensorsEntry& entry) {
  return std::max(1, safetensors_dtype_bits(entry.dtype) / 8);
}

SafetensorsHeader lay_out(std::vector<SafetensorsEntry> tensors,
                          std::vector<std::pair<std::string, std::string>> metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const SafetensorsEntry& x, const SafetensorsEntry& y) {
              const int x_alignment = dtype_alignment(x), y_alignment = dtype_alignment(y);
              return x_alignment != y_alignment ? x_alignment > y_alignment : x.name < y.name;
            });
  std::int64_t offset = 0;
  for (SafetensorsEntry& entry : tensors) {
    entry.begin = offset;
    if (__builtin_add_overflow(offset, safetensors_bytes(entry.dtype, entry.shape), &offset)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("tensor \"{}\": the file would pass 2^63 bytes", entry.name));
    }
    entry.end = offset;
  }
  SafetensorsHeader header;
  header.tensors = std::move(tensors);
  header.metadata = std::move(metadata);
  header.build_index();
  return header;
}

}  // namespace

SafetensorsReader::SafetensorsReader(std::string path) : path_(std::move(path)) {
  file_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // a FIFO must not block
  if (file_ < 0) fail_read(path_, std::strerror(errno));
  try {
    struct stat status {};
    if (fstat(file_, &status) != 0) fail_read(path_, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) fail_read(path_, "it is not a regular file");
    const std::string subject = fmt::format("safetensors file \"{}\"", path_);
    const auto malformed = [&](const std::string& what) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", subject, what));
    };
    const std::int64_t size = status.st_size;
    if (size < kLengthBytes) {
      malformed(
          fmt::format("it has {} bytes; it needs 8 for the length of the header alone", size));
    }
    unsigned char length_bytes[kLengthBytes];
    read_all(file_, path_, 0, length_bytes, kLengthBytes);
    const std::int64_t length = little_endian(length_bytes);
    if (length > kMaxSafetensorsHeaderBytes) {
      malformed(fmt::format("its header claims {} bytes; the format allows {}", length,
                            kMaxSafetensorsHeaderBytes));
    }
    if (length > size - kLengthBytes) {
      malformed(fmt::format(
          "its header claims {} bytes, {} follow; the file is truncated or no safetensors file",
          length, size - kLengthBytes));
    }
    std::string json(static_cast<std::size_t>(length), '\0');
    read_all(file_, path_, kLengthBytes, json.data(), length);
    data_start_ = kLengthBytes + length;
    header_ = parse_safetensors_header(json, size - data_start_, subject);
  } catch (...) {
    close(file_);
    throw;
  }
}

SafetensorsReader::~SafetensorsReader() {
  close(file_);
}

const SafetensorsEntry& SafetensorsReader::at(const std::string& name) const {
  const SafetensorsEntry* entry = header_.find(name);
  if (entry == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("\"{}\" has no tensor \"{}\"; {}", path_,
                                                         name, nearest_names(header_, name)));
  }
  return *entry;
}

void SafetensorsReader::read(const SafetensorsEntry& entry, std::int64_t offset, void* out,
                             std::int64_t bytes) const {
  if (offset < 0 || bytes < 0 || bytes > entry.bytes() || offset > entry.bytes() - bytes) {
    throw Error(ErrorCode::kInternal,
                fmt::format("safetensors: read of {} bytes at {} of tensor \"{}\" of {} bytes",
                            bytes, offset, entry.name, entry.bytes()));
  }
  read_all(file_, path_, data_start_ + entry.begin + offset, out, bytes);
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<SafetensorsEntry> tensors,
                                     std::vector<std::pair<std::string, std::string>> metadata)
    : header_(lay_out(std::move(tensors), std::move(metadata))), file_(path) {
  const std::string text = format_safetensors_header(header_);
  data_start_ = static_cast<std::int64_t>(text.size());
  if (data_start_ - kLengthBytes > kMaxSafetensorsHeaderBytes) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "\"{}\": the header would have {} bytes; the format allows {}; write fewer tensors",
            path, data_start_ - kLengthBytes, kMaxSafetensorsHeaderBytes));
  }
  file_.reserve(data_start_ + (header_.tensors.empty() ? 0 : header_.tensors.back().end));
  file_.write(0, text.data(), data_start_);
}

const SafetensorsEntry& SafetensorsWriter::at(const std::string& name) const {
  const SafetensorsEntry* entry = header_.find(name);
  if (entry == nullptr) {
    throw Error(ErrorCode::kInternal,
                fmt::format("safetensors: the file being written has no tensor \"{}\"", name));
  }
  return *entry;
}

void SafetensorsWriter::write(const SafetensorsEntry& entry, std::int64_t offset, const void* data,
                              std::int64_t bytes) {
  if (offset < 0 || bytes < 0 || bytes > entry.bytes() || offset > entry.bytes() - bytes) {
    throw Error(ErrorCode::kInternal,
                fmt::format("safetensors: write of {} bytes at {} of tensor \"{}\" of {} bytes",
                            bytes, offset, entry.name, entry.bytes()));
  }
  file_.write(data_start_ + entry.begin + offset, data, bytes);
}

}  // namespace fathom::cli
