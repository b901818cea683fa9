// Files of tensors in the safetensors format: a strict header parser, a reader and a writer that
// move bytes in pieces, so that no tensor has to fit into memory. Command-line layer; must not
// include JSON headers (they are heavy).
//
// The format: 8 bytes little-endian length of the header, the header (a JSON object: name -> dtype,
// shape, data_offsets;
// "__metadata__" -> strings), then the data of all tensors without holes, row-major, little-endian.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "output_file.hpp"

namespace fathom::cli {

struct SafetensorsEntry {
  std::string name = {};
  std::string dtype = {};  ///< the file's own spelling: "F8_E4M3", "BF16", "F32", ...
  std::vector<std::int64_t> shape = {};
  std::int64_t begin = 0;  ///< bytes from the start of the data section
  std::int64_t end = 0;

  std::int64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  ///< ordered by their place in the data section
  std::vector<std::pair<std::string, std::string>> metadata;

  /// Makes find() know the tensors as they are now.
  void build_index();
  /// The tensor of that name, or nullptr.
  const SafetensorsEntry* find(const std::string& name) const;

 private:
  std::unordered_map<std::string, std::size_t> index_;
};

/// The format's limit on the header (100 MB, as in the format's own implementation).
inline constexpr std::int64_t kMaxSafetensorsHeaderBytes = 100'000'000;

/// Bits of one element, 0 for a dtype that does not exist.
int safetensors_dtype_bits(std::string_view dtype);

/// Bytes of a tensor of this dtype and shape. Throws Error(kInvalidArgument) where the product
/// overflows, does not fill whole bytes, or where the dtype does not exist.
std::int64_t safetensors_bytes(std::string_view dtype, const std::vector<std::int64_t>& shape);

/// Parses and checks the JSON text of a header that describes `data_bytes` bytes of data. `subject`
/// names the file in messages. Throws Error(kInvalidArgument) for anything the format forbids.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes,
                                           std::string_view subject);

/// The first bytes of a file: length and JSON text, padded with spaces so that the data starts on a
/// multiple of 8 bytes.
std::string format_safetensors_header(const SafetensorsHeader& header);

/// "[4, 7168]"
std::string shape_text(const std::vector<std::int64_t>& shape);

/// An open file. Only the header is read when it opens; data comes by read().
class SafetensorsReader {
 public:
  /// Throws Error(kIo) where the file cannot be read, Error(kInvalidArgument) where its content is
  /// malformed.
  explicit SafetensorsReader(std::string path);
  ~SafetensorsReader();
  SafetensorsReader(const SafetensorsReader&) = delete;
  SafetensorsReader& operator=(const SafetensorsReader&) = delete;

  const std::string& path() const { return path_; }
  const SafetensorsHeader& header() const { return header_; }

  /// The tensor of that name. Throws Error(kInvalidArgument) that lists the nearest names of the
  /// file.
  const SafetensorsEntry& at(const std::string& name) const;

  /// Reads `bytes` bytes from `offset` of the tensor. Throws Error(kIo) where the file has shrunk
  /// or fails.
  void read(const SafetensorsEntry& entry, std::int64_t offset, void* out,
            std::int64_t bytes) const;

 private:
  std::string path_;
  int file_ = -1;
  std::int64_t data_start_ = 0;
  SafetensorsHeader header_;
};

/// A file being written: the layout is decided when it opens, the parts may come in any order, and
/// the file appears under its name when commit() returns. Not committed, it leaves nothing behind.
class SafetensorsWriter {
 public:
  /// Lays the tensors out by falling alignment of their dtype, then by name, whatever the order
  /// given: every tensor is aligned to its element and the same tensors give the same bytes. begin
  /// and end of `tensors` are ignored. Space is reserved on the disk at once, so a disk that is too
  /// full is found out here. Throws Error.
  SafetensorsWriter(const std::string& path, std::vector<SafetensorsEntry> tensors,
                    std::vector<std::pair<std::string, std::string>> metadata);

  const SafetensorsEntry& at(const std::string& name) const;
  /// Writes `bytes` bytes at `offset` of the tensor.
  void write(const SafetensorsEntry& entry, std::int64_t offset, const void* data,
             std::int64_t bytes);
  void commit() { file_.commit(); }

 private:
  SafetensorsHeader header_;
  OutputFile file_;
  std::int64_t data_start_ = 0;
};

}  // namespace fathom::cli
