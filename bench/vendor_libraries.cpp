// See vendor_libraries.hpp.
#include "vendor_libraries.hpp"

#include <cstdlib>
#include <filesystem>

#include "jit/compiler_search.hpp"

namespace fathom::bench {
namespace {

std::string read_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The wheels and toolkits that hold NVRTC hold the others beside it, or one component further.
std::vector<std::string> candidates(const char* variable, const std::vector<std::string>& names,
                                    const char* component) {
  if (const std::string chosen = read_variable(variable); !chosen.empty()) return {chosen};
  std::vector<std::string> files = names;
  jit::CompilerSettings settings;
  settings.read_environment(read_variable);
  for (const std::filesystem::path& directory : jit::search_nvrtc(settings).looked) {
    for (const std::string& name : names) {
      for (const std::filesystem::path& place :
           {directory / name, directory.parent_path().parent_path() / component / "lib" / name,
            directory.parent_path() / "extras/CUPTI/lib64" / name}) {
        std::error_code error;
        if (std::filesystem::exists(place, error)) files.push_back(place.string());
      }
    }
  }
  return files;
}

}  // namespace

std::vector<std::string> cupti_files() {
  return candidates("FATHOM_CUPTI", {"libcupti.so.13", "libcupti.so.12"}, "cuda_cupti");
}

std::vector<std::string> cublaslt_files() {
  return candidates("FATHOM_CUBLASLT", {"libcublasLt.so.13"}, "cublas");
}

}  // namespace fathom::bench
