// Small text files as a whole. Command-line layer.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

namespace fathom::cli {

/// `what` names the kind of file in messages. Throws Error(kIo) where the file cannot be read,
/// Error(kInvalidArgument) where it is larger than max_bytes.
std::string read_text_file(const std::string& path, const std::string& what,
                           std::int64_t max_bytes);

/// What an exception of the JSON parser says, without its number and at most 200 bytes of it.
std::string json_problem(const std::exception& error);

}  // namespace fathom::cli
