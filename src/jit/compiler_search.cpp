// The search order of docs/jit_cache.md. JIT layer.
#include "jit/compiler_search.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>

namespace fathom::jit {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLibrary = "libnvrtc.so";
constexpr std::string_view kBuiltins = "libnvrtc-builtins.so.";

/// "13.5" -> {13, 5}; "13" -> {13, -1}; nothing for other texts.
std::optional<std::pair<int, int>> parse_version(std::string_view text) {
  std::pair<int, int> version{0, -1};
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, version.first);
  if (error != std::errc()) return std::nullopt;
  if (stop != end && *stop == '.') {
    const auto minor = std::from_chars(stop + 1, end, version.second);
    if (minor.ec != std::errc()) return std::nullopt;
    stop = minor.ptr;
  }
  // A third part (13.0.88) is a build of the same version.
  if (stop != end && *stop != '.') return std::nullopt;
  return version;
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator item(directory, error), end; !error && item != end;
       item.increment(error)) {
    entries.push_back(item->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// The libraries that lie right in `directory`, one per major version.
std::vector<NvrtcFiles> libraries_in(const fs::path& directory) {
  std::vector<NvrtcFiles> found;
  std::set<std::pair<int, int>> builtins;  // versions of those that lie there
  for (const fs::path& entry : entries_of(directory)) {
    const std::string name = entry.filename().native();
    if (name.starts_with(kBuiltins)) {
      if (const auto version = parse_version(name.substr(kBuiltins.size())))
        builtins.insert(*version);
    } else if (name == kLibrary) {
      found.push_back({entry});  // kept only when no numbered name is there
    } else if (name.starts_with(kLibrary) && name[kLibrary.size()] == '.') {
      const auto version = parse_version(name.substr(kLibrary.size() + 1));
      if (version) found.push_back({entry, version->first, version->second});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const NvrtcFiles& a, const NvrtcFiles& b) { return a.major > b.major; });
  const auto same_major = [](const NvrtcFiles& a, const NvrtcFiles& b) {
    return a.major == b.major || b.major == 0;
  };
  found.erase(std::unique(found.begin(), found.end(), same_major), found.end());
  for (NvrtcFiles& files : found) {
    const auto fits = [major = files.major](const std::pair<int, int>& version) {
      return major == 0 || version.first == major;
    };
    // Builtins of several versions tell nothing: one of them is a leftover.
    if (std::count_if(builtins.begin(), builtins.end(), fits) != 1) continue;
    std::tie(files.major, files.minor) = *std::find_if(builtins.begin(), builtins.end(), fits);
  }
  return found;
}

void append(std::vector<fs::path>& directories, const fs::path& directory) {
  if (std::find(directories.begin(), directories.end(), directory) == directories.end()) {
    directories.push_back(directory);
  }
}

/// The two layouts of the wheels on PyPI: one folder for CUDA 13, one per component before.
void append_wheels(std::vector<fs::path>& directories, const fs::path& site_packages) {
  append(directories, site_packages / "nvidia/cu13/lib");
  append(directories, site_packages / "nvidia/cuda_nvrtc/lib");
}

void append_environment(std::vector<fs::path>& directories, const fs::path& prefix) {
  if (prefix.empty()) return;
  for (const char* library : {"lib", "lib64"}) {
    for (const fs::path& python : entries_of(prefix / library)) {
      if (python.filename().native().starts_with("python3")) {
        append_wheels(directories, python / "site-packages");
      }
    }
  }
  append(directories, prefix / "lib");  // conda's own packages
}

void append_toolkit(std::vector<fs::path>& directories, const fs::path& root) {
  if (root.empty()) return;
  append(directories, root / "lib64");
  append(directories, root / "lib");
}

}  // namespace

std::vector<fs::path> CompilerSettings::default_system_directories() {
  std::vector<fs::path> directories;
  append_toolkit(directories, "/usr/local/cuda");
  std::vector<fs::path> toolkits = entries_of("/usr/local");
  std::reverse(toolkits.begin(), toolkits.end());  // newest first
  for (const fs::path& toolkit : toolkits) {
    if (toolkit.filename().native().starts_with("cuda-")) append_toolkit(directories, toolkit);
  }
  append_toolkit(directories, "/opt/cuda");
  for (const char* directory :
       {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"}) {
    append(directories, directory);
  }
  return directories;
}

void CompilerSettings::read_environment(ReadVariable read) {
  virtual_env = read("VIRTUAL_ENV");
  conda_prefix = read("CONDA_PREFIX");
  cuda_home = read("CUDA_HOME");
  if (cuda_home.empty()) cuda_home = read("CUDA_PATH");
  path = read("PATH");
}

std::vector<NvrtcFiles> nvrtc_in(const fs::path& directory) {
  for (const fs::path& place : {directory, directory / "lib64", directory / "lib"}) {
    std::vector<NvrtcFiles> found = libraries_in(place);
    if (!found.empty()) return found;
  }
  return {};
}

NvrtcSearch search_nvrtc(const CompilerSettings& settings) {
  NvrtcSearch search;
  if (!settings.nvrtc.empty()) {
    search.looked.push_back(settings.nvrtc);
    std::error_code error;
    if (fs::is_directory(settings.nvrtc, error)) {
      search.found = nvrtc_in(settings.nvrtc);
      return search;
    }
    for (NvrtcFiles& files : libraries_in(settings.nvrtc.parent_path())) {
      const bool same = fs::equivalent(files.library, settings.nvrtc, error) && !error;
      if (same) search.found.push_back(std::move(files));
    }
    // A library under another name, or a bare name that the loader will find.
    if (search.found.empty()) search.found.push_back({settings.nvrtc});
    return search;
  }
  for (const fs::path& directory : settings.site_packages) append_wheels(search.looked, directory);
  append_environment(search.looked, settings.virtual_env);
  append_environment(search.looked, settings.conda_prefix);
  append_toolkit(search.looked, settings.cuda_home);
  for (const fs::path& directory : settings.system_directories) append(search.looked, directory);
  for (const fs::path& directory : search.looked) {
    for (NvrtcFiles& files : libraries_in(directory)) search.found.push_back(std::move(files));
  }
  return search;
}

fs::path search_nvcc(const CompilerSettings& settings) {
  std::vector<fs::path> places;
  if (!settings.cuda_home.empty()) places.push_back(settings.cuda_home / "bin");
  std::string_view path = settings.path;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    if (end > 0) places.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  for (const fs::path& directory : settings.system_directories) {
    places.push_back(directory.parent_path() / "bin");
  }
  for (const fs::path& place : places) {
    fs::path nvcc = place / "nvcc";
    if (::access(nvcc.c_str(), X_OK) == 0) return nvcc;
  }
  return {};
}

}  // namespace fathom::jit
