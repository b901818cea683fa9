// Small text files as a whole. Command-line layer.
#pragma once

#include <cstdint>
#include <string>

namespace fathom::cli {

/// `what` names the kind of file in messages. Throws Error(kIo) where the file cannot be read,
/// Error(kInvalidArgument) where it is larger than max_bytes.
std::string read_text_file(const std::string& path, const std::string& what,
                           std::int64_t max_bytes);

}  // namespace fathom::cli
