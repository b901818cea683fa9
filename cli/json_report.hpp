// Reports and their JSON. Command-line layer; heavy: include from .cpp files of cli/ only.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "verb.hpp"

namespace fathom::cli {

using Json = nlohmann::ordered_json;

/// An object that opens with "schema": 1, to which a verb adds its fields in the order in which
/// they are documented.
inline Json new_object() {
  return Json{{"schema", 1}};
}

/// Names from files and paths may hold bytes that are no UTF-8: they are printed as U+FFFD rather
/// than refused.
inline std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

/// "1 tile", "2 tiles".
inline std::string counted(auto count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

inline Report make_report(const Json& json, std::string text, bool passed = true) {
  return {dump(json), std::move(text), passed};
}

}  // namespace fathom::cli
