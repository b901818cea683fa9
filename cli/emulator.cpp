// Finds the emulator's library and its controls. Command-line layer.
#include "emulator.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <fathom/error.hpp>
#include <filesystem>

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

template <typename Function>
void find(void* library, const std::string& path, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function != nullptr) return;
  throw Error(ErrorCode::kNoDevice,
              fmt::format("--backend emulator: {} has no {}; it needs to be a libcuda_emulator.so; "
                          "build it again, or unset FATHOM_LIBCUDA",
                          path, name));
}

}  // namespace

bool uses_emulator(const CommonFlags& flags) {
  return flags.backend == "emulator";
}

std::string emulator_library() {
  std::error_code unreadable;
  const fs::path here = fs::read_symlink("/proc/self/exe", unreadable).parent_path();
  std::string tried;
  for (const fs::path& place :
       {here / "libcuda_emulator.so", here / ".." / FATHOM_LIBDIR "/fathom/libcuda_emulator.so"}) {
    std::error_code ignored;
    if (fs::exists(place, ignored)) return fs::weakly_canonical(place, ignored).string();
    tried += (tried.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  throw Error(ErrorCode::kNoDevice,
              fmt::format("--backend emulator: no libcuda_emulator.so (looked for {}); it is built "
                          "and installed beside this program: make build, or name it in "
                          "FATHOM_LIBCUDA and leave --backend out",
                          tried));
}

Emulator::Emulator(const std::string& library) {
  // Loaded already, by the driver of the context: this only finds it.
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error(ErrorCode::kNoDevice,
                fmt::format("--backend emulator: loading {} failed ({}); it needs to be a "
                            "libcuda_emulator.so; build it again: make build",
                            library, dlerror()));
  }
  find(handle, library, "fathom_emulator_set_seed", set_seed_);
  find(handle, library, "fathom_emulator_trace_hash", trace_hash_);
  find(handle, library, "fathom_emulator_report", report_);
}

std::string Emulator::trace_hash() const {
  return fmt::format("{:016x}", trace_hash_());
}

}  // namespace fathom::cli
