// JSON and CSV. Command-line layer.
#include "loads_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fathom/error.hpp>
#include <nlohmann/json.hpp>

#include "input_file.hpp"

namespace fathom::cli {
namespace {

using Json = nlohmann::json;

// 65,536 layers of 16,384 experts are past every limit already.
constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 32;

constexpr char kForm[] =
    "a loads file is a list of layers, each a list with the load of every expert, such as "
    "[[10, 20], [5, 40]] for two layers of two experts";

[[noreturn]] void fail(std::string_view subject, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}; {}", subject, what, kForm));
}

/// Takes layer after layer, all of one length.
class Rows {
 public:
  explicit Rows(std::string_view subject) : subject_(subject) {}

  void add(const std::vector<float>& row) {
    const auto experts = static_cast<std::int64_t>(row.size());
    if (experts == 0) fail(subject_, fmt::format("layer {} is empty", file_.layers));
    if (file_.layers > 0 && experts != file_.experts) {
      fail(subject_, fmt::format("layer {} has {} loads and layer 0 has {}", file_.layers, experts,
                                 file_.experts));
    }
    file_.experts = experts;
    ++file_.layers;
    file_.values.insert(file_.values.end(), row.begin(), row.end());
  }

  LoadsFile take() {
    if (file_.layers == 0) fail(subject_, "it holds no layer");
    return std::move(file_);
  }

 private:
  std::string subject_;
  LoadsFile file_;
};

Json parse_json(std::string_view text, std::string_view subject) {
  // The parser takes a zero byte for the end of the text.
  if (text.find('\0') != std::string_view::npos) fail(subject, "it holds a zero byte");
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    fail(subject, fmt::format("it is no valid JSON: {}", json_problem(error)));
  }
}

float parse_number(std::string_view field, std::int64_t line, std::string_view subject) {
  while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) {
    fail(subject,
         fmt::format("line {} holds \"{}\", which is no number", line, field.substr(0, 40)));
  }
  return static_cast<float>(value);
}

}  // namespace

LoadsFile parse_loads_json(std::string_view text, std::string_view subject) {
  const Json json = parse_json(text, subject);
  if (!json.is_array()) fail(subject, fmt::format("it is of type {}", json.type_name()));
  Rows rows(subject);
  for (const Json& layer : json) {
    if (!layer.is_array()) fail(subject, fmt::format("a layer is of type {}", layer.type_name()));
    std::vector<float> row;
    for (const Json& load : layer) {
      if (!load.is_number()) fail(subject, fmt::format("a load is of type {}", load.type_name()));
      row.push_back(static_cast<float>(load.get<double>()));
    }
    rows.add(row);
  }
  return rows.take();
}

LoadsFile parse_loads_csv(std::string_view text, std::string_view subject) {
  Rows rows(subject);
  std::int64_t number = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    std::vector<float> row;
    while (true) {
      const std::size_t comma = line.find(',');
      row.push_back(parse_number(line.substr(0, comma), number, subject));
      if (comma == std::string_view::npos) break;
      line.remove_prefix(comma + 1);
    }
    rows.add(row);
  }
  return rows.take();
}

LoadsFile read_loads_file(const std::string& path) {
  const std::string subject = fmt::format("loads file \"{}\"", path);
  const auto text = [&] { return read_text_file(path, "loads file", kMaxFileBytes); };
  if (path.ends_with(".json")) return parse_loads_json(text(), subject);
  if (path.ends_with(".csv")) return parse_loads_csv(text(), subject);
  if (path.ends_with(".npy")) return parse_loads_npy(text(), subject);
  throw Error(ErrorCode::kInvalidArgument,
              subject +
                  ": the end of its name tells no form; it needs .json, .csv or .npy: rename "
                  "it, or write one of these");
}

std::vector<std::int64_t> read_placement_file(const std::string& path) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("plan file \"{}\": {}; it needs \"phy2log\", a list of layers, each a "
                            "list with the expert of every slot: give an output of fathom balance "
                            "--json",
                            path, what));
  };
  const Json json = parse_json(read_text_file(path, "plan file", kMaxFileBytes),
                               fmt::format("plan file \"{}\"", path));
  if (!json.is_object() || !json.contains("phy2log")) refuse("it has no \"phy2log\"");
  const Json& layers = json["phy2log"];
  if (!layers.is_array()) refuse(fmt::format("\"phy2log\" is of type {}", layers.type_name()));
  std::vector<std::int64_t> placement;
  for (const Json& layer : layers) {
    if (!layer.is_array() || layer.size() != layers.front().size()) {
      refuse("a layer of \"phy2log\" is no list, or not as long as the first");
    }
    for (const Json& expert : layer) {
      if (!expert.is_number_integer()) {
        refuse(fmt::format("a slot holds a value of type {}", expert.type_name()));
      }
      placement.push_back(expert.get<std::int64_t>());
    }
  }
  return placement;
}

}  // namespace fathom::cli
