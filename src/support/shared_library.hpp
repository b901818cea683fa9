// A library loaded at run time, and its functions by name. Support layer; POSIX.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace fathom::support {

/// Stays loaded until the process ends: compilers and drivers keep threads and exit handlers of
/// their own, which must not outlive their code.
class SharedLibrary {
 public:
  /// `path` as dlopen takes it. Nothing when it cannot be loaded; `why` then holds the loader's
  /// words.
  static std::optional<SharedLibrary> open(const std::string& path, std::string& why);

  /// Null when there is no such function.
  template <typename Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(address(name));
  }

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* address(const char* name) const;

  void* handle_ = nullptr;
};

}  // namespace fathom::support
