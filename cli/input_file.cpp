// Reads small text files. Command-line layer.
#include "input_file.hpp"

#include <fmt/format.h>

#include <fathom/error.hpp>
#include <filesystem>
#include <fstream>

namespace fathom::cli {

std::string read_text_file(const std::string& path, const std::string& what,
                           std::int64_t max_bytes) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);
  const auto size =
      regular ? static_cast<std::int64_t>(std::filesystem::file_size(path, error)) : 0;
  if (size > max_bytes) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} \"{}\" has {} bytes; at most {} make sense", what, path, size, max_bytes));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!regular || error || !file.read(text.data(), size)) {
    throw Error(
        ErrorCode::kIo,
        fmt::format("cannot read the {} \"{}\": {}; give the path of a readable file", what, path,
                    error ? error.message() : "it is not a regular file, or may not be read"));
  }
  return text;
}

std::string json_problem(const std::exception& error) {
  const std::string text = error.what();  // "[json.exception.parse_error.101] parse error at ..."
  const std::size_t end = text.find("] ");
  return text.substr(end == std::string::npos ? 0 : end + 2, 200);
}

}  // namespace fathom::cli
