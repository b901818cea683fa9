// Loads private copies of the recording driver. Test support.
#include "support/recording_cuda.hpp"

#include <dlfcn.h>
#include <stdlib.h>

#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>

namespace fathom::testing {
namespace {

template <typename Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr)
    throw std::runtime_error(std::string("libcuda_recording.so lacks ") + name);
}

}  // namespace

RecordingCuda::RecordingCuda() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fathom_cuda_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("no temporary directory for the recording driver");
  directory_ = pattern;
  path_ = directory_ + "/libcuda_recording.so";
  std::filesystem::copy_file(FATHOM_TEST_MODULE_DIR "/libcuda_recording.so", path_);
  void* library = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  find(library, "recording_cuda_set", set_);
  find(library, "recording_cuda_set_name", set_name_);
  find(library, "recording_cuda_fail", fail_);
  find(library, "recording_cuda_record", record_);
  find(library, "recording_cuda_count", count_);
  find(library, "recording_cuda_clear_record", clear_record_);
  find(library, "recording_cuda_launch", launch_);
  find(library, "recording_cuda_set_hook", set_hook_);
}

RecordingCuda::~RecordingCuda() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RecordingCuda::set(const char* key, std::int64_t value) {
  if (set_(key, value) != 0)
    throw std::runtime_error(std::string("the recording driver has no key ") + key);
}

std::vector<std::string> RecordingCuda::calls(const std::string& call) const {
  std::vector<std::string> found;
  std::istringstream lines(record());
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(call + " ", 0) == 0) found.push_back(line);
  }
  return found;
}

std::vector<std::string> RecordingCuda::call_names() const {
  std::set<std::string> names;
  std::istringstream lines(record());
  for (std::string line; std::getline(lines, line);) names.insert(line.substr(0, line.find(' ')));
  return {names.begin(), names.end()};
}

std::vector<RecordingCudaLaunch> RecordingCuda::launches() const {
  std::vector<RecordingCudaLaunch> found;
  RecordingCudaLaunch launch{};
  while (launch_(static_cast<std::int64_t>(found.size()), &launch) == 0) found.push_back(launch);
  return found;
}

}  // namespace fathom::testing
