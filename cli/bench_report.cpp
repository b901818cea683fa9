// See bench_report.hpp.
#include "bench_report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fathom/context.hpp>
#include <utility>

#include "output_file.hpp"

namespace fathom::cli {

BenchReport::BenchReport(const CommonFlags& common, std::optional<std::string> path,
                         std::int64_t total)
    : path_(std::move(path)), progress_("measuring", total), json_(new_object()) {
  if (path_) OutputFile{*path_};
  json_["version"] = version();
  json_["commit"] = commit();
  json_["command"] = common.command_line;
}

void BenchReport::begin(const Json& conditions, const std::string& heading) {
  json_.update(conditions);
  json_["complete"] = false;
  json_["results"] = Json::array();
  text_ = heading;
}

void BenchReport::add(const Json& row, const std::string& line) {
  json_["results"].push_back(row);
  text_ += line;
}

void BenchReport::advance() {
  write_file();
  progress_.advance(1);
}

void BenchReport::add_mean(const char* name, const char* field) {
  double sum = 0;
  int count = 0;
  for (const Json& row : json_["results"]) {
    if (!row.contains(name)) continue;
    const Json& value = field == nullptr ? row[name] : row[name].value(field, Json());
    if (!value.is_number()) continue;
    sum += std::log(value.get<double>());
    ++count;
  }
  if (count == 0) return;
  const double mean = std::exp(sum / count);
  json_["geometric_means"][name] = mean;
  text_ += fmt::format("geometric mean {}: {:.3f}\n", name, mean);
}

Report BenchReport::finish() {
  json_["complete"] = true;
  write_file();
  return make_report(json_, text_);
}

void BenchReport::write_file() const {
  if (path_) write_text_file(*path_, dump(json_) + "\n");
}

std::string number(const Json& json, const char* name, const char* field, const char* format) {
  if (!json.contains(name)) return "-";
  const Json& value = field == nullptr ? json[name] : json[name].value(field, Json());
  return value.is_number() ? fmt::format(fmt::runtime(format), value.get<double>()) : "-";
}

}  // namespace fathom::cli
