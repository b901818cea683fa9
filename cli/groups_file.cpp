// Parses groups files event by event: no tree is built, nesting is refused where it starts.
// Command-line layer.
#include "groups_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fathom/error.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "api/tensor_check.hpp"
#include "input_file.hpp"
#include "problem_flags.hpp"

namespace fathom::cli {
namespace {

constexpr char kForms[] =
    "one of {\"offsets\": [...]}, {\"row_group\": [...], \"alignment\": 128}, {\"group_end\": "
    "[...], \"alignment\": "
    "128}, {\"rows\": [...], \"max_m\": N}";
// Two gigabytes of rows at two bytes each would be past the largest extent: no honest file is
// larger.
constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 32;

class GroupsEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit GroupsEvents(std::string_view subject) : subject_(subject) {}

  GroupsFile take() {
    if (groups_.form == Groups::Form::kNone) fail("it names no form of groups");
    const bool aligned =
        groups_.form == Groups::Form::kRowGroup || groups_.form == Groups::Form::kGroupEnd;
    if (seen_.count("alignment") != 0 && !aligned) {
      fail("\"alignment\" belongs to row_group and group_end only");
    }
    const bool masked = groups_.form == Groups::Form::kMasked;
    if ((seen_.count("max_m") != 0) != masked) fail("\"rows\" and \"max_m\" go together");
    return std::move(groups_);
  }

  /// The parser takes a zero byte for the end of the text.
  void check_text(std::string_view json) const {
    if (json.find('\0') != std::string_view::npos)
      fail("it is no valid JSON: it holds a zero byte");
  }

  bool start_object(std::size_t) override {
    if (depth_++ != 0) fail(fmt::format("{} is an object", place()));
    return true;
  }
  bool end_object() override { return true; }
  bool key(std::string& name) override {
    key_ = name;
    if (!seen_.insert(name).second) fail(fmt::format("\"{}\" stands twice", name));
    const Groups::Form form = form_of(name);
    if (form == Groups::Form::kNone) {
      if (name == "alignment" || name == "max_m") return true;
      fail(fmt::format("the key \"{}\" is not known", name.substr(0, 100)));
    }
    if (groups_.form != Groups::Form::kNone) fail("it names two forms of groups");
    groups_.form = form;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 1 || in_array_ || form_of(key_) == Groups::Form::kNone) {
      fail(fmt::format("{} is a list", place()));
    }
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_integer(std::int64_t value) override {
    if (depth_ == 0) fail(fmt::format("it is the number {}", value));
    if (in_array_) {
      groups_.index.push_back(value);
    } else if (key_ == "alignment") {
      groups_.alignment = value;
    } else if (key_ == "max_m") {
      groups_.max_m = value;
    } else {
      fail(fmt::format("{} is the number {}", place(), value));
    }
    return true;
  }
  bool number_unsigned(std::uint64_t value) override {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) {
      fail(fmt::format("{} is {}, above 2^63 - 1", place(), value));
    }
    return number_integer(static_cast<std::int64_t>(value));
  }
  bool number_float(double, const std::string& text) override {
    fail(fmt::format("{} holds {}, which is no whole number", place(), text.substr(0, 100)));
  }
  bool string(std::string&) override { fail(fmt::format("{} is a string", place())); }
  bool null() override { fail(fmt::format("{} is null", place())); }
  bool boolean(bool) override { fail(fmt::format("{} is a boolean", place())); }
  bool binary(nlohmann::json::binary_t&) override {
    fail(fmt::format("{} is binary data", place()));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(fmt::format("it is no valid JSON at byte {}: {}", position, json_problem(error)));
  }

 private:
  static Groups::Form form_of(std::string_view name) {
    if (name == "offsets") return Groups::Form::kOffsets;
    if (name == "row_group") return Groups::Form::kRowGroup;
    if (name == "group_end") return Groups::Form::kGroupEnd;
    if (name == "rows") return Groups::Form::kMasked;
    return Groups::Form::kNone;
  }

  std::string place() const {
    if (depth_ == 0) return "the whole text";
    return fmt::format("{}\"{}\"", in_array_ ? "an entry of " : "", key_);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}; a groups file is {}", subject_, what, kForms));
  }

  std::string subject_;
  GroupsFile groups_;
  int depth_ = 0;
  bool in_array_ = false;
  std::string key_;
  std::set<std::string> seen_;
};

}  // namespace

GroupsFile parse_groups(std::string_view json, std::string_view subject) {
  GroupsEvents events(subject);
  events.check_text(json);
  nlohmann::json::sax_parse(json, &events);
  return events.take();
}

void check_entries(const GroupsFile& groups, const std::string& path) {
  const std::size_t least = groups.form == Groups::Form::kRowGroup  ? 0
                            : groups.form == Groups::Form::kOffsets ? 2
                                                                    : 1;
  if (groups.index.size() < least) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "groups file \"{}\": its list has {} entries; one group or more needs at least {}",
            path, groups.index.size(), least));
  }
  for (std::size_t i = 0; i < groups.index.size(); ++i) {
    const std::int64_t value = groups.index[i];
    const std::int64_t smallest = groups.form == Groups::Form::kRowGroup ? -1 : 0;
    if (value < smallest || value > api::kMaxExtent) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "groups file \"{}\": entry {} of its list is {}; it must be from {} to 2^31 - 1",
              path, i, value, smallest));
    }
  }
}

std::int64_t groups_implied(Groups::Form form, const std::vector<std::int64_t>& index) {
  switch (form) {
    case Groups::Form::kNone:
      return 1;
    case Groups::Form::kOffsets:
      return static_cast<std::int64_t>(index.size()) - 1;
    case Groups::Form::kRowGroup:
      return index.empty()
                 ? 1
                 : std::max<std::int64_t>(1, 1 + *std::max_element(index.begin(), index.end()));
    default:
      return static_cast<std::int64_t>(index.size());
  }
}

GroupsFile read_groups_file(const std::string& path) {
  return parse_groups(read_text_file(path, "groups file", kMaxFileBytes),
                      fmt::format("groups file \"{}\"", path));
}

GroupsFile read_groups_file(const std::string& path, const std::string& layout) {
  GroupsFile groups = read_groups_file(path);
  if (layout != "dense" && layout != layout_name(groups.form)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--layout is {} and \"{}\" holds {}; give the layout of the file, or "
                            "leave --layout out",
                            layout, path, layout_name(groups.form)));
  }
  check_entries(groups, path);
  return groups;
}

}  // namespace fathom::cli
