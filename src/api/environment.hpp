// The environment variables, one table: parsing, documentation and tests all come from it. Front
// end. No other file of the library reads the environment.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <fathom/context.hpp>

namespace fathom::api {

struct EnvironmentVariable {
  std::string_view name;
  std::string_view field;          ///< the member of ContextOptions that it sets
  std::string_view default_value;  ///< what holds when it is unset or empty, in words
  std::string_view meaning;
  /// Sets the field. Throws Error(kInvalidArgument) when the value, which is not empty, has no
  /// meaning.
  void (*apply)(ContextOptions& options, const std::string& value);
};

std::span<const EnvironmentVariable> environment_variables();

/// The table of docs/environment.md.
std::string environment_table();

/// The value of a variable, empty when it is unset: for what other software's variables say.
std::string environment_value(const char* name);

/// $XDG_CACHE_HOME/fathom, else $HOME/.cache/fathom, else empty: no place for a cache.
std::string default_cache_dir();

}  // namespace fathom::api
