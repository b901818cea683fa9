// Where run-time compilers lie on this machine. JIT layer; looks at files, loads nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fathom::jit {

/// The value of an environment variable, empty when it is unset.
using ReadVariable = std::string (*)(const char* name);

/// The settings that decide which compiler is used; the environment variable beside each has the
/// same meaning.
struct CompilerSettings {
  std::string compiler =
      "nvrtc";  ///< FATHOM_COMPILER: nvrtc, nvcc, or none (use only what the cache holds)
  std::filesystem::path
      nvrtc;  ///< FATHOM_NVRTC: libnvrtc itself or its directory; nothing else is then looked at
  std::vector<std::filesystem::path> site_packages;  ///< of the running Python, searched first
  std::filesystem::path virtual_env;                 ///< VIRTUAL_ENV
  std::filesystem::path conda_prefix;                ///< CONDA_PREFIX
  std::filesystem::path cuda_home;                   ///< CUDA_HOME, else CUDA_PATH
  std::string path;                                  ///< PATH: where nvcc is looked for
  std::vector<std::filesystem::path> system_directories = default_system_directories();

  /// Fills what other software's variables say: virtual_env, conda_prefix, cuda_home and path.
  void read_environment(ReadVariable read);
  /// The places where Linux distributions and NVIDIA's packages put the toolkit's libraries.
  static std::vector<std::filesystem::path> default_system_directories();
};

struct NvrtcFiles {
  std::filesystem::path library;  ///< .../libnvrtc.so.13
  int major = 0;                  ///< 0 = the file names do not tell
  int minor = -1;                 ///< -1 = the file names do not tell
};

/// The NVRTC in one directory, or those of the toolkit layouts under it; newest major first.
std::vector<NvrtcFiles> nvrtc_in(const std::filesystem::path& directory);

struct NvrtcSearch {
  std::vector<NvrtcFiles> found;              ///< in the order of preference
  std::vector<std::filesystem::path> looked;  ///< every directory that was looked at, there or not
};
NvrtcSearch search_nvrtc(const CompilerSettings& settings);

/// nvcc in cuda_home, then PATH, then the system's toolkit; empty when there is none.
std::filesystem::path search_nvcc(const CompilerSettings& settings);

}  // namespace fathom::jit
