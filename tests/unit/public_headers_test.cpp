// What include/fathom may include: the standard library and itself. (That each header compiles
// alone, and the C headers as C99, is compiled by the target public_headers.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

namespace {

TEST(PublicHeaders, IncludeOnlyTheStandardLibraryAndThemselves) {
  const std::regex include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  int headers = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(FATHOM_SOURCE_DIR) + "/include/fathom")) {
    ++headers;
    const bool is_c = entry.path().extension() == ".h";
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line)) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string name = match[1];
      const bool standard = name.find('/') == std::string::npos && name.ends_with(".h") == is_c &&
                            !name.ends_with(".hpp");
      EXPECT_TRUE(standard || name.starts_with("fathom/")) << entry.path() << " includes " << name;
    }
  }
  EXPECT_GE(headers, 8);
}

}  // namespace
