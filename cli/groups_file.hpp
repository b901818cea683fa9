// Group metadata from a JSON file: which rows of a grouped product belong to which group.
// Command-line layer; must not include JSON headers. One of
//   {"offsets": [...]}  {"row_group": [...], "alignment": 128}  {"group_end": [...], "alignment":
//   128}
//   {"rows": [...], "max_m": N}
#pragma once

#include <cstdint>
#include <fathom/gemm.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::cli {

struct GroupsFile {
  Groups::Form form = Groups::Form::kNone;
  std::vector<std::int64_t> index;
  std::optional<std::int64_t>
      alignment;           ///< row_group and group_end; left out: the caller's default
  std::int64_t max_m = 0;  ///< rows
};

/// Checks the form of the text, not the rules of the metadata (ascending, in range): those are the
/// library's to report. `subject` names the file in messages. Throws Error(kInvalidArgument).
GroupsFile parse_groups(std::string_view json, std::string_view subject);

/// Throws Error(kInvalidArgument) where the list is too short for one group or holds what no form
/// can mean.
void check_entries(const GroupsFile& groups, const std::string& path);

/// The groups that a list of this form counts; row_group: up to the last that has a row.
std::int64_t groups_implied(Groups::Form form, const std::vector<std::int64_t>& index);

/// Throws Error(kIo) where the file cannot be read, Error(kInvalidArgument) where it is malformed.
GroupsFile read_groups_file(const std::string& path);
/// The same with check_entries, for a --layout that says the file's form or was left out ("dense").
GroupsFile read_groups_file(const std::string& path, const std::string& layout);

}  // namespace fathom::cli
