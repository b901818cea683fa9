// NumPy's .npy: magic, version, the length of a header that is a Python dict, then the elements.
// Command-line layer.
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <fathom/error.hpp>

#include "loads_file.hpp"

namespace fathom::cli {
namespace {

[[noreturn]] void fail(std::string_view subject, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: {}; a .npy file of loads is a little-endian array [layers, experts] "
                          "of integers, float32 or float64: write it with numpy.save",
                          subject, what));
}

struct Header {
  std::string type;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::size_t size = 0;  ///< bytes before the elements
};

/// What stands behind 'name': in the dict, up to the next comma or brace outside parentheses.
std::string_view value_of(std::string_view dict, std::string_view name, std::string_view subject) {
  const std::string key = fmt::format("'{}':", name);
  const std::size_t at = dict.find(key);
  if (at == std::string_view::npos) fail(subject, fmt::format("its header has no {}", name));
  std::string_view rest = dict.substr(at + key.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const bool tuple = rest.starts_with('(');
  const std::size_t end = tuple ? rest.find(')') : rest.find_first_of(",}");
  if (end == std::string_view::npos)
    fail(subject, fmt::format("its header breaks off in {}", name));
  return rest.substr(0, tuple ? end + 1 : end);
}

std::vector<std::int64_t> parse_shape(std::string_view tuple, std::string_view subject) {
  std::vector<std::int64_t> shape;
  const char* at = tuple.data();
  const char* end = tuple.data() + tuple.size();
  while (at != end) {
    std::int64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error == std::errc::result_out_of_range) fail(subject, "its shape has no meaning");
    if (error == std::errc()) {
      shape.push_back(extent);
      at = next;
    } else {
      ++at;
    }
  }
  return shape;
}

Header parse_header(std::string_view bytes, std::string_view subject) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (!bytes.starts_with(kMagic) || bytes.size() < 10) fail(subject, "it does not start as one");
  const int major = static_cast<unsigned char>(bytes[6]);
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_bytes) fail(subject, "it breaks off in its header");
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[8 + i])) << (8 * i);
  }
  Header header;
  header.size = 8 + length_bytes + length;
  if (bytes.size() < header.size) fail(subject, "it breaks off in its header");
  const std::string_view dict = bytes.substr(8 + length_bytes, length);
  const std::string_view type = value_of(dict, "descr", subject);
  if (type.size() < 3) fail(subject, "its header names no type");
  header.type = std::string(type.substr(1, type.size() - 2));
  header.fortran_order = value_of(dict, "fortran_order", subject) == "True";
  header.shape = parse_shape(value_of(dict, "shape", subject), subject);
  return header;
}

template <typename T>
float load_as(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<float>(value);
}

struct Element {
  std::string_view type;
  std::int64_t size;
  float (*load)(const char*);
};

constexpr Element kElements[] = {
    {"<f4", 4, load_as<float>},         {"<f8", 8, load_as<double>},
    {"<i4", 4, load_as<std::int32_t>},  {"<i8", 8, load_as<std::int64_t>},
    {"<u4", 4, load_as<std::uint32_t>}, {"<u8", 8, load_as<std::uint64_t>},
    {"<i2", 2, load_as<std::int16_t>},  {"<u2", 2, load_as<std::uint16_t>},
    {"|i1", 1, load_as<std::int8_t>},   {"|u1", 1, load_as<std::uint8_t>},
};
static_assert(std::endian::native == std::endian::little);

const Element& element_of(const std::string& type, std::string_view subject) {
  for (const Element& element : kElements) {
    if (element.type == type) return element;
  }
  fail(subject, fmt::format("its elements are of type {}", type));
}

}  // namespace

LoadsFile parse_loads_npy(std::string_view bytes, std::string_view subject) {
  const Header header = parse_header(bytes, subject);
  if (header.shape.size() != 2) {
    fail(subject, fmt::format("its array has {} dimensions", header.shape.size()));
  }
  const std::int64_t layers = header.shape[0], experts = header.shape[1];
  const Element& element = element_of(header.type, subject);
  const auto elements = static_cast<std::int64_t>(bytes.size() - header.size) / element.size;
  // Divided, not multiplied: a header may claim any extents.
  if (layers < 1 || experts < 1 || layers > elements / experts ||
      layers * experts * element.size != static_cast<std::int64_t>(bytes.size() - header.size)) {
    fail(subject, fmt::format("its array is [{}, {}] and {} bytes follow the header", layers,
                              experts, bytes.size() - header.size));
  }
  LoadsFile file{layers, experts, {}};
  const char* data = bytes.data() + header.size;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    for (std::int64_t expert = 0; expert < experts; ++expert) {
      const std::int64_t at =
          header.fortran_order ? expert * layers + layer : layer * experts + expert;
      file.values.push_back(element.load(data + at * element.size));
    }
  }
  return file;
}

}  // namespace fathom::cli
