// Loads of experts from a file: .json, a list of layers, each a list of numbers; .csv, a line for
// each layer; .npy, an array [layers, experts]. Command-line layer; must not include JSON headers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::cli {

struct LoadsFile {
  std::int64_t layers = 0;
  std::int64_t experts = 0;
  std::vector<float> values;  ///< [layers, experts]
};

/// Each checks the form of the text, not the rules of loads (finite, 0 or more): those are the
/// library's to report. `subject` names the file in messages. Throw Error(kInvalidArgument).
LoadsFile parse_loads_json(std::string_view text, std::string_view subject);
LoadsFile parse_loads_csv(std::string_view text, std::string_view subject);
LoadsFile parse_loads_npy(std::string_view bytes, std::string_view subject);

/// By the end of the path. Throws Error(kIo) where the file cannot be read, Error(kInvalidArgument)
/// where it is malformed.
LoadsFile read_loads_file(const std::string& path);

/// A placement [layers, replicas] from an output of fathom balance --json: its "phy2log". The same
/// errors.
std::vector<std::int64_t> read_placement_file(const std::string& path);

}  // namespace fathom::cli
