// What the files of the C ABI share: exceptions to statuses, structs that grow. Front end.
#pragma once

#include <fathom/c_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fathom/context.hpp>
#include <fathom/error.hpp>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::api {

/// Becomes the calling thread's last error. Needs no memory to succeed.
fathom_status fail(ErrorCode code, const char* message) noexcept;

/// Runs `work`; what it throws becomes the thread's last error.
template <typename Work>
fathom_status guarded(Work&& work) noexcept {
  try {
    work();
    return FATHOM_OK;
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kInternal,
                "out of memory on the host: free some, or use smaller tensors");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, error.what());
  } catch (...) {
    return fail(ErrorCode::kInternal,
                "an exception of unknown type: please report what was called");
  }
}

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format(text, std::forward<Args>(args)...));
}

template <typename Pointer>
Pointer required(Pointer pointer, std::string_view function, std::string_view name) {
  if (pointer == nullptr) refuse("{}: {} is NULL; it needs a valid pointer", function, name);
  return pointer;
}

/// The caller's struct as this library knows it: what an older caller does not have is zero, and
/// what a newer caller has beyond it must be.
template <typename Struct>
Struct read_struct(const Struct* given, std::string_view function, std::string_view type) {
  required(given, function, type);
  constexpr std::size_t kLargest =
      1 << 16;  // no struct of ours will ever be so large: this is garbage
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < sizeof size || size > kLargest) {
    refuse("{}: struct_size is {}; set it to sizeof({}), which is {} in this library", function,
           size, type, sizeof(Struct));
  }
  Struct result{};
  std::memcpy(&result, given, std::min(size, sizeof(Struct)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  if (size > sizeof(Struct) &&
      std::any_of(bytes + sizeof(Struct), bytes + size, [](auto byte) { return byte != 0; })) {
    refuse(
        "{}: struct_size is {}, and members past the {} bytes that {} has in this library (version "
        "{}) are set; "
        "leave them zero, or use a library that has them",
        function, size, sizeof(Struct), type, version());
  }
  return result;
}

/// A list of strings as C takes it.
class TextList {
 public:
  TextList() = default;
  explicit TextList(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (const std::string& text : texts_) pointers_.push_back(text.c_str());
  }
  const char* const* data() const { return pointers_.data(); }
  std::int64_t size() const { return static_cast<std::int64_t>(pointers_.size()); }

 private:
  std::vector<std::string> texts_;  // moving the vector moves no text
  std::vector<const char*> pointers_;
};

inline void check_flags(std::uint64_t flags, std::uint64_t known, std::string_view function) {
  if ((flags & ~known) == 0) return;
  refuse(
      "{}: flags are {:#x}; this library (version {}) knows the bits {:#x}: leave the others out",
      function, flags, version(), known);
}

}  // namespace fathom::api
