// The header of a safetensors file: strict parser, checks, formatter. Command-line layer; touches
// no file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fathom/error.hpp>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "input_file.hpp"
#include "safetensors.hpp"

namespace fathom::cli {
namespace {

struct DTypeRow {
  std::string_view name;
  int bits;
};
// Every element type that the format's own implementation knows (safetensors 0.6).
constexpr DTypeRow kDTypes[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"F64", 64},    {"I64", 64},
    {"U64", 64},        {"C64", 64},
};

constexpr std::string_view kMetadataKey = "__metadata__";

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

/// Names come from the file and may be of any length: messages show the start.
std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 120;
  if (text.size() <= kShown) return std::string(text);
  return fmt::format("{}... ({} bytes)", text.substr(0, kShown), text.size());
}

/// Walks the JSON text event by event: no tree is built and nesting is refused where it starts, so
/// neither depth nor length of a hostile header costs more than the entries that it really holds.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderEvents(std::string_view subject) : subject_(subject) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) return enter(Place::kTop);
    if (place_ == Place::kTop && key_ == kMetadataKey) return enter(Place::kMetadata);
    if (place_ == Place::kTop) {
      entry_ = SafetensorsEntry{.name = key_};
      fields_ = 0;
      return enter(Place::kEntry);
    }
    refuse("an object");
  }
  bool end_object() override {
    if (place_ == Place::kTop) return enter(Place::kOutside);
    if (place_ == Place::kEntry) {
      if (fields_ != (kDTypeField | kShapeField | kOffsetsField)) {
        fail(fmt::format("{}: tensor \"{}\" lacks {}; it needs dtype, shape and data_offsets",
                         subject_, shortened(entry_.name), missing_fields()));
      }
      header_.tensors.push_back(std::move(entry_));
    }
    return enter(Place::kTop);
  }
  bool key(std::string& name) override {
    key_ = name;
    if (place_ == Place::kTop && !names_.insert(name).second) {
      fail(fmt::format("{}: the name \"{}\" stands twice in the header; names must be unique",
                       subject_, shortened(name)));
    }
    if (place_ == Place::kMetadata) {
      if (!metadata_names_.insert(name).second) {
        fail(fmt::format(
            "{}: the metadata key \"{}\" stands twice in the header; keys must be unique", subject_,
            shortened(name)));
      }
    }
    if (place_ == Place::kEntry) mark_field(name);
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::kEntry && (key_ == "shape" || key_ == "data_offsets")) {
      numbers_.clear();
      return enter(Place::kNumbers);
    }
    refuse("an array");
  }
  bool end_array() override {
    if (key_ == "shape") {
      entry_.shape = numbers_;
    } else {
      if (numbers_.size() != 2) {
        fail(
            fmt::format("{}: data_offsets of tensor \"{}\" has {} numbers; it needs 2 (begin, end)",
                        subject_, shortened(entry_.name), numbers_.size()));
      }
      entry_.begin = numbers_[0];
      entry_.end = numbers_[1];
    }
    return enter(Place::kEntry);
  }
  bool string(std::string& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata.emplace_back(key_, value);
      return true;
    }
    if (place_ == Place::kEntry && key_ == "dtype") {
      entry_.dtype = value;
      return true;
    }
    refuse("a string");
  }
  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::kNumbers) refuse("a number");
    if (value > static_cast<std::uint64_t>(INT64_MAX)) refuse_number(std::to_string(value));
    numbers_.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_integer(std::int64_t value) override { refuse_number(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { refuse_number(shortened(text)); }
  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(fmt::format("{}: the header is no valid JSON at byte {}: {}", subject_, position,
                     shortened(json_problem(error))));
  }

 private:
  enum class Place { kOutside, kTop, kMetadata, kEntry, kNumbers };
  static constexpr int kDTypeField = 1, kShapeField = 2, kOffsetsField = 4;

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  void mark_field(std::string_view name) {
    const int field = name == "dtype"          ? kDTypeField
                      : name == "shape"        ? kShapeField
                      : name == "data_offsets" ? kOffsetsField
                                               : 0;
    if (field == 0) {
      fail(fmt::format(
          "{}: tensor \"{}\" has a field \"{}\"; dtype, shape and data_offsets are all there is",
          subject_, shortened(entry_.name), shortened(name)));
    }
    if ((fields_ & field) != 0) {
      fail(fmt::format("{}: tensor \"{}\" has the field \"{}\" twice", subject_,
                       shortened(entry_.name), name));
    }
    fields_ |= field;
  }

  std::string missing_fields() const {
    std::vector<std::string_view> missing;
    if ((fields_ & kDTypeField) == 0) missing.push_back("dtype");
    if ((fields_ & kShapeField) == 0) missing.push_back("shape");
    if ((fields_ & kOffsetsField) == 0) missing.push_back("data_offsets");
    return fmt::format("{}", fmt::join(missing, " and "));
  }

  [[noreturn]] void refuse_number(std::string_view text) const {
    if (place_ != Place::kNumbers) refuse("a number");
    fail(fmt::format("{}: {} of tensor \"{}\" holds {}; it needs whole numbers from 0 to 2^63 - 1",
                     subject_, key_, shortened(entry_.name), text));
  }

  [[noreturn]] void refuse(std::string_view what) const {
    switch (place_) {
      case Place::kOutside:
        fail(fmt::format("{}: the header is {}; it must be a JSON object", subject_, what));
      case Place::kTop:
        fail(fmt::format("{}: the entry \"{}\" of the header is {}; it must be an object", subject_,
                         shortened(key_), what));
      case Place::kMetadata:
        fail(fmt::format("{}: the metadata \"{}\" is {}; metadata must be strings", subject_,
                         shortened(key_), what));
      case Place::kEntry:
      case Place::kNumbers:
        break;
    }
    fail(fmt::format(
        "{}: {} of tensor \"{}\" {} {}; dtype is a string, shape and data_offsets are lists of "
        "whole numbers",
        subject_, key_, shortened(entry_.name), place_ == Place::kEntry ? "is" : "holds", what));
  }

  std::string subject_;
  SafetensorsHeader header_;
  Place place_ = Place::kOutside;
  std::string key_;
  SafetensorsEntry entry_;
  int fields_ = 0;
  std::vector<std::int64_t> numbers_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> metadata_names_;
};

/// Offsets against shapes, against each other and against the size of the data.
void check_layout(const SafetensorsHeader& header, std::int64_t data_bytes,
                  std::string_view subject) {
  std::int64_t expected = 0;
  for (const SafetensorsEntry& entry : header.tensors) {
    const std::string tensor = fmt::format("{}: tensor \"{}\"", subject, shortened(entry.name));
    if (entry.end < entry.begin || entry.end > data_bytes) {
      fail(fmt::format(
          "{} has data_offsets [{}, {}]; the file holds {} bytes of data (is it truncated?)",
          tensor, entry.begin, entry.end, data_bytes));
    }
    std::int64_t bytes = 0;
    try {
      bytes = safetensors_bytes(entry.dtype, entry.shape);
    } catch (const Error& error) {
      fail(fmt::format("{}: {}", tensor, error.what()));
    }
    if (bytes != entry.bytes()) {
      fail(fmt::format("{} has data_offsets [{}, {}], {} bytes; {} {} needs {} bytes", tensor,
                       entry.begin, entry.end, entry.bytes(), entry.dtype, shape_text(entry.shape),
                       bytes));
    }
    if (entry.begin != expected) {
      fail(
          fmt::format("{} has data_offsets [{}, {}], but the tensor before it ends at {}; tensors "
                      "must neither overlap "
                      "nor leave holes",
                      tensor, entry.begin, entry.end, expected));
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    fail(fmt::format(
        "{}: the tensors take {} bytes, the file holds {} bytes of data; both must be equal",
        subject, expected, data_bytes));
  }
}

}  // namespace

void SafetensorsHeader::build_index() {
  index_.clear();
  index_.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) index_.emplace(tensors[i].name, i);
}

const SafetensorsEntry* SafetensorsHeader::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors[it->second];
}

int safetensors_dtype_bits(std::string_view dtype) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == dtype) return row.bits;
  }
  return 0;
}

std::int64_t safetensors_bytes(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  const std::int64_t bits = safetensors_dtype_bits(dtype);
  if (bits == 0) {
    fail(fmt::format(
        "dtype \"{}\" does not exist; the format knows F32, BF16, F16, F8_E4M3 and {} others",
        shortened(dtype), std::size(kDTypes) - 4));
  }
  std::int64_t total = bits;
  for (const std::int64_t extent : shape) {
    if (extent == 0) return 0;
  }
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(total, extent, &total)) {
      fail(fmt::format("the size of {} {} overflows 64 bits", dtype, shape_text(shape)));
    }
  }
  if (total % 8 != 0) {
    fail(fmt::format("{} {} takes {} bits, which is no whole number of bytes", dtype,
                     shape_text(shape), total));
  }
  return total / 8;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  constexpr std::size_t kShown = 16;  // a hostile header may name millions of extents
  if (shape.size() <= kShown) return fmt::format("[{}]", fmt::join(shape, ", "));
  const std::vector<std::int64_t> start(shape.begin(), shape.begin() + kShown);
  return fmt::format("[{}, ... ({} extents)]", fmt::join(start, ", "), shape.size());
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes,
                                           std::string_view subject) {
  if (json.empty() || json.front() != '{') {
    fail(fmt::format("{}: the header does not start with '{{'; this is no safetensors file",
                     subject));
  }
  if (json.find('\0') != std::string_view::npos) {  // the parser takes it for the end of the text
    fail(fmt::format("{}: the header is no valid JSON: it holds a zero byte", subject));
  }
  HeaderEvents events(subject);
  nlohmann::json::sax_parse(json, &events);
  SafetensorsHeader header = events.take();
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const SafetensorsEntry& x, const SafetensorsEntry& y) {
                     return std::pair(x.begin, x.end) < std::pair(y.begin, y.end);
                   });
  check_layout(header, data_bytes, subject);
  header.build_index();
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  // Built as text: an ordered_json searches its keys on every insertion, quadratic in the number of
  // tensors.
  std::string text = "{";
  const auto append = [&](const std::string& name, const std::string& value) {
    if (text.size() > 1) text += ',';
    text += nlohmann::json(name).dump() + ":" + value;
  };
  if (!header.metadata.empty()) {
    std::string metadata = "{";
    for (const auto& [key, value] : header.metadata) {
      if (metadata.size() > 1) metadata += ',';
      metadata += nlohmann::json(key).dump() + ":" + nlohmann::json(value).dump();
    }
    append(std::string(kMetadataKey), metadata + "}");
  }
  for (const SafetensorsEntry& entry : header.tensors) {
    append(entry.name,
           fmt::format(R"({{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", entry.dtype,
                       fmt::join(entry.shape, ","), entry.begin, entry.end));
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  }
  return bytes + text;
}

}  // namespace fathom::cli
