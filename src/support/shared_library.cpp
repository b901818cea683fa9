// dlopen and dlsym. Support layer.
#include "support/shared_library.hpp"

#include <dlfcn.h>

namespace fathom::support {

std::optional<SharedLibrary> SharedLibrary::open(const std::string& path, std::string& why) {
  // Local: two compilers of different versions, or a framework's own, share no symbol.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return SharedLibrary(handle);
  const char* message = ::dlerror();
  why = message != nullptr ? message : "no reason given by the loader";
  return std::nullopt;
}

void* SharedLibrary::address(const char* name) const {
  return ::dlsym(handle_, name);
}

}  // namespace fathom::support
