// The embedded device sources are the files of device/, all of them, byte for byte.
#include "jit/embedded.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace fathom {
namespace {

std::map<std::string, std::string> files_on_disk() {
  const std::filesystem::path root = FATHOM_SOURCE_DIR "/device";
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(root)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (extension != ".hpp" && extension != ".cuh") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    files[entry.path().lexically_relative(root).generic_string()] =
        std::string(std::istreambuf_iterator<char>(stream), {});
  }
  return files;
}

TEST(EmbeddedSources, AreTheFilesOfDevice) {
  std::map<std::string, std::string> embedded;
  std::string previous;
  for (const auto& source : embedded::device_sources()) {
    EXPECT_LT(previous, source.name) << "sorted by name, each once";
    previous = source.name;
    embedded[std::string(source.name)] = source.text;
  }
  EXPECT_EQ(embedded, files_on_disk());
}

}  // namespace
}  // namespace fathom
