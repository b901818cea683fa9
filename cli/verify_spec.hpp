// The flags of `fathom verify` and the case that they describe. Command-line layer; must not
// include CLI11 or JSON headers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "problem_flags.hpp"
#include "reference/problem_data.hpp"
#include "verb.hpp"

namespace fathom::cli {

struct VerifyFlags {
  ProblemFlags problem;
  std::optional<std::int64_t> m, n, k;
  std::optional<std::string> groups_file;
  std::optional<std::int64_t> groups_random;
  std::string index_dtype = "int32";
  std::string data = "random";
  std::optional<std::string> dump;
  std::optional<std::uint64_t> schedule_seed;  ///< --backend emulator only
};

/// Throws Error where flags are missing, contradict each other, or ask for more memory than there
/// is.
reference::ProblemSpec verify_spec(const VerifyFlags& flags, const CommonFlags& common);

/// Rows of D that belong to a group.
std::int64_t valid_rows(const reference::ProblemData& data);

}  // namespace fathom::cli
