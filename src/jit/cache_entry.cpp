// Keys and the file format of cache entries. JIT layer; pure. A change of the format changes
// kMagic, so that entries of the other format are misses.
#include "jit/cache_entry.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <map>

#include "support/hash.hpp"

namespace fathom::jit {
namespace {

static_assert(std::endian::native == std::endian::little, "sizes are stored little-endian");

constexpr std::string_view kMagic = "FTHMKRN1";
constexpr std::size_t kSizeBytes = 2 * sizeof(std::uint64_t);  // of the fields and of the image
constexpr std::size_t kHeaderBytes = kMagic.size() + kSizeBytes;
constexpr std::size_t kChecksumBytes = 32;  // a Hash128 in hexadecimal
constexpr std::string_view kKeyVersion = "fathom kernel key 1";

void append_size(std::string& bytes, std::uint64_t size) {
  char raw[sizeof size];
  std::memcpy(raw, &size, sizeof size);
  bytes.append(raw, sizeof size);
}

std::uint64_t read_size(std::string_view bytes, std::size_t offset) {
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data() + offset, sizeof size);
  return size;
}

using Fields = std::map<std::string, std::string, std::less<>>;

/// "name=value" lines; nothing when a line has no '='.
std::optional<Fields> parse_fields(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    fields.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return fields;
}

template <typename Integer>
bool read_integer(const Fields& fields, std::string_view name, Integer& value) {
  const auto found = fields.find(name);
  if (found == fields.end()) return false;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, value);
  return error == std::errc() && stop == end;
}

bool read_text(const Fields& fields, std::string_view name, std::string& value) {
  const auto found = fields.find(name);
  if (found == fields.end()) return false;
  value = found->second;
  return true;
}

}  // namespace

std::string CacheKey::file_name() const {
  return text + "-" + compiler + ".kernel";
}

std::string digest_headers(std::span<const embedded::DeviceSource> headers) {
  std::string bytes;
  for (const embedded::DeviceSource& header : headers) {
    support::append_field(bytes, header.name);
    support::append_field(bytes, header.text);
  }
  return support::to_hex(support::hash128(bytes));
}

CacheKey make_cache_key(const CompileRequest& request, std::string_view headers_digest,
                        std::string_view compiler_identity) {
  std::string bytes;
  support::append_field(bytes, kKeyVersion);
  support::append_field(bytes, request.name);
  support::append_field(bytes, request.source);
  support::append_field(bytes, headers_digest);
  support::append_field(bytes, request.architecture);
  for (const std::string& option : request.options) support::append_field(bytes, option);
  return {support::to_hex(support::hash128(bytes)),
          support::to_hex(support::hash128(compiler_identity)).substr(0, 16)};
}

std::string encode_entry(const CacheEntry& entry) {
  std::string fields;
  const auto add = [&](std::string_view name, std::string_view value) {
    fields.append(name).append("=").append(value).append("\n");
  };
  add("name", entry.name);
  add("text_key", entry.key.text);
  add("compiler_key", entry.key.compiler);
  add("architecture", entry.architecture);
  add("compiler", entry.compiler);
  add("cuda_major", std::to_string(entry.cuda_major));
  add("registers", std::to_string(entry.use.registers));
  add("spill_bytes", std::to_string(entry.use.spill_bytes));
  add("stack_bytes", std::to_string(entry.use.stack_bytes));

  std::string bytes(kMagic);
  append_size(bytes, fields.size());
  append_size(bytes, entry.image.size());
  bytes += fields;
  bytes += entry.image;
  bytes += support::to_hex(support::hash128(bytes));
  return bytes;
}

DecodedEntry decode_entry(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes) return {std::nullopt, "truncated"};
  if (!bytes.starts_with(kMagic)) return {std::nullopt, "not a kernel of this cache format"};
  const std::uint64_t fields_size = read_size(bytes, kMagic.size());
  const std::uint64_t image_size = read_size(bytes, kMagic.size() + sizeof fields_size);
  const std::uint64_t payload = bytes.size() - kHeaderBytes - kChecksumBytes;
  // Compared one by one: the sum of two damaged sizes may wrap around.
  if (fields_size > payload || image_size != payload - fields_size) {
    return {std::nullopt, "its size is not the one it states (truncated or damaged)"};
  }
  const std::size_t checked = bytes.size() - kChecksumBytes;
  if (bytes.substr(checked) != support::to_hex(support::hash128(bytes.substr(0, checked)))) {
    return {std::nullopt, "its checksum does not match (damaged)"};
  }
  const auto fields = parse_fields(bytes.substr(kHeaderBytes, fields_size));
  CacheEntry entry;
  const bool complete = fields && read_text(*fields, "name", entry.name) &&
                        read_text(*fields, "text_key", entry.key.text) &&
                        read_text(*fields, "compiler_key", entry.key.compiler) &&
                        read_text(*fields, "architecture", entry.architecture) &&
                        read_text(*fields, "compiler", entry.compiler) &&
                        read_integer(*fields, "cuda_major", entry.cuda_major) &&
                        read_integer(*fields, "registers", entry.use.registers) &&
                        read_integer(*fields, "spill_bytes", entry.use.spill_bytes) &&
                        read_integer(*fields, "stack_bytes", entry.use.stack_bytes);
  if (!complete) return {std::nullopt, "its fields are incomplete"};
  entry.image = bytes.substr(kHeaderBytes + fields_size, image_size);
  return {std::move(entry), ""};
}

}  // namespace fathom::jit
