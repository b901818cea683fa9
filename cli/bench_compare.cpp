// Reads two outputs of fathom bench --json and sets them side by side. Command-line layer.
#include "bench_compare.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fathom/error.hpp>
#include <map>

#include "input_file.hpp"
#include "json_report.hpp"

namespace fathom::cli {
namespace {

struct Entry {
  double median_us = 0;
  std::string config;
  std::string error;  ///< why there is no time
};
/// Ordered by the text that names the problem.
using Entries = std::map<std::string, Entry>;

// A result is about 500 bytes; a hundred thousand of them are no measurement any more.
constexpr std::int64_t kMaxFileBytes = std::int64_t{64} << 20;

std::string name_of(const Json& result) {
  const std::string name = result.value("name", "");
  const std::string config = result.value("requested_config", "");
  return fmt::format("{}{}{} m={} n={} k={} groups={} {} {} {}{}{}", name, name.empty() ? "" : ": ",
                     result.at("layout").get<std::string>(), result.at("m").get<std::int64_t>(),
                     result.at("n").get<std::int64_t>(), result.at("k").get<std::int64_t>(),
                     result.at("groups").get<std::int64_t>(),
                     result.at("out_dtype").get<std::string>(),
                     result.at("scale_b").get<std::string>(),
                     result.at("backend").get<std::string>(), config.empty() ? "" : " ", config);
}

Entry entry_of(const Json& result) {
  const std::string config = result.at("config").get<std::string>();
  if (result.contains("error")) return {0, config, result.at("error").get<std::string>()};
  return {result.at("median_us").get<double>(), config, ""};
}

Entries read_bench(const std::string& path) {
  const std::string text = read_text_file(path, "bench file", kMaxFileBytes);
  Entries entries;
  try {
    const Json json = Json::parse(text);
    for (const Json& result : json.at("results")) {
      const std::string name = name_of(result);
      if (entries.emplace(name, entry_of(result)).second) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("bench file \"{}\" holds two results of \"{}\"; measure each once",
                              path, name));
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("bench file \"{}\" is no output of fathom bench --json: {}; make one "
                            "by fathom bench --json > "
                            "FILE",
                            path, json_problem(error)));
  }
  return entries;
}

Json only_in(const Entries& here, const Entries& there) {
  Json names = Json::array();
  for (const auto& [name, entry] : here) {
    if (there.count(name) == 0) names.push_back(name);
  }
  return names;
}

}  // namespace

Report compare_benches(const std::string& before_path, const std::string& after_path,
                       std::optional<double> most_slower) {
  if (most_slower && !(*most_slower > 0)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("bench compare: --most-slower is {}; it must be above 0, for example 1.05",
                    *most_slower));
  }
  const Entries before = read_bench(before_path), after = read_bench(after_path);
  Json json = new_object();
  json["before"] = before_path;
  json["after"] = after_path;
  json["results"] = Json::array();
  json["not_compared"] = Json::array();
  std::string text;
  double log_sum = 0;
  bool passed = true;
  for (const auto& [name, old_entry] : before) {
    const auto it = after.find(name);
    if (it == after.end()) continue;
    const std::string &before_error = old_entry.error, &after_error = it->second.error;
    if (!before_error.empty() || !after_error.empty()) {
      passed = passed && !before_error.empty();
      json["not_compared"].push_back(
          Json{{"problem", name}, {"before_error", before_error}, {"after_error", after_error}});
      text += fmt::format("{:<60} not compared: {}{}\n", name,
                          after_error.empty() ? "before: " : "after: ",
                          after_error.empty() ? before_error : after_error);
      continue;
    }
    const double speedup = old_entry.median_us / it->second.median_us;
    const bool slower = most_slower && it->second.median_us > *most_slower * old_entry.median_us;
    passed = passed && !slower;
    log_sum += std::log(speedup);
    json["results"].push_back(Json{{"problem", name},
                                   {"before_us", old_entry.median_us},
                                   {"after_us", it->second.median_us},
                                   {"speedup", speedup},
                                   {"before_config", old_entry.config},
                                   {"after_config", it->second.config},
                                   {"slower", slower}});
    text += fmt::format("{:<60} {:>12.1f} us {:>12.1f} us  x{:.3f}{}\n", name, old_entry.median_us,
                        it->second.median_us, speedup, slower ? "  SLOWER" : "");
  }
  const std::size_t matched = json["results"].size();
  if (matched == 0) passed = false;
  json["only_before"] = only_in(before, after);
  json["only_after"] = only_in(after, before);
  json["geomean_speedup"] =
      matched == 0 ? Json(nullptr) : Json(std::exp(log_sum / static_cast<double>(matched)));
  json["passed"] = passed;
  text += matched == 0
              ? "no problem has a time in both files\n"
              : fmt::format("{}, geometric mean of the speed-up x{:.3f}\n",
                            counted(matched, "problem"), json["geomean_speedup"].get<double>());
  return make_report(json, text, passed);
}

}  // namespace fathom::cli
