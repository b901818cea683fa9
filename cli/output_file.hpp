// A file that appears under its name complete or not at all. Command-line layer; plain POSIX.
//
// The bytes go to a temporary file of a unique name in the same directory; commit() syncs and
// renames it. An interrupt removes the temporary file (interrupt.cpp); a kill may leave it, but
// never a part of it under the final name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fathom::cli {

class OutputFile {
 public:
  /// Opens the temporary file. Throws Error(kIo) where `path` could not be replaced at the end: its
  /// directory is missing or not writable, it is a directory, a device or a file that may not be
  /// written.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Takes the disk space for `bytes` bytes now, where the file system can. Throws Error(kIo) where
  /// it does not fit.
  void reserve(std::int64_t bytes);
  void write(std::int64_t offset, const void* data, std::int64_t bytes);
  /// Syncs, renames, syncs the directory. Once only.
  void commit();

 private:
  std::string path_;       ///< as the user gave it
  std::string target_;     ///< with symbolic links followed
  std::string temporary_;  ///< empty once it is gone
  int file_ = -1;
  int interrupt_slot_ = -1;
};

/// Throws Error(kInvalidArgument) where `output` is one of `inputs`, under whatever name: the
/// result would take the place of what it was made from.
void refuse_input_as_output(const std::string& output, const std::vector<std::string>& inputs);

/// Writes a whole text the same way.
void write_text_file(const std::string& path, const std::string& text);

}  // namespace fathom::cli
