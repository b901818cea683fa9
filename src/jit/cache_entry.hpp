// One compiled kernel as bytes in a file, and its name in the cache. JIT layer; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "jit/compile_log.hpp"
#include "jit/compiler.hpp"

namespace fathom::jit {

/// Two halves, so that a machine without any compiler can look for the work of another machine's.
struct CacheKey {
  std::string text;      ///< 32 hex digits: source, headers, options, architecture
  std::string compiler;  ///< 16 hex digits: the compiler's identity

  /// "<text>-<compiler>.kernel"
  std::string file_name() const;
  bool operator==(const CacheKey&) const = default;
};

/// The digest of a set of headers: their names and texts, in the order given.
std::string digest_headers(std::span<const embedded::DeviceSource> headers);

/// Everything that can change the code goes in; no path, no user, no time. request.headers is not
/// read: `headers_digest` stands for it, computed once by the caller.
CacheKey make_cache_key(const CompileRequest& request, std::string_view headers_digest,
                        std::string_view compiler_identity);

struct CacheEntry {
  CacheKey key;
  std::string name;
  std::string architecture;
  std::string compiler;  ///< Compiler::identity() of the one that made it
  int cuda_major = 0;
  ResourceUse use;
  std::string image;
};

/// magic, sizes, fields, image, checksum of all before it (docs/jit_cache.md draws it).
std::string encode_entry(const CacheEntry& entry);

struct DecodedEntry {
  std::optional<CacheEntry> entry;
  std::string reason;  ///< why there is no entry
};
DecodedEntry decode_entry(std::string_view bytes);

}  // namespace fathom::jit
