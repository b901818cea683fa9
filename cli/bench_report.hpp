// The rows of a benchmark as they come: each is in the JSON file before the next is measured, so
// that a run which is cut short keeps what it has. Command-line layer; heavy: include from .cpp
// files of cli/ only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "json_report.hpp"
#include "progress.hpp"
#include "verb.hpp"

namespace fathom::cli {

class BenchReport {
 public:
  /// `total`: shapes, each ended by advance(). `path`: where the JSON goes too;
  /// throws Error(kIo) at once where no file can be put.
  BenchReport(const CommonFlags& common, std::optional<std::string> path, std::int64_t total);

  /// What the measurement ran on and how: fields before the rows, a heading before their lines.
  void begin(const Json& conditions, const std::string& heading);
  void add(const Json& row, const std::string& line);
  /// A shape is measured: writes the file as it stands.
  void advance();
  /// The geometric mean over the rows that have it: a number, or the field of an object.
  void add_mean(const char* name, const char* field = nullptr);
  Report finish();

 private:
  void write_file() const;

  std::optional<std::string> path_;
  Progress progress_;
  Json json_;
  std::string text_;
};

/// A number of the row, or of an object in it; "-" where there is none.
std::string number(const Json& json, const char* name, const char* field, const char* format);

}  // namespace fathom::cli
