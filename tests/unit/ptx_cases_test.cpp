// Every function of device/ptx/ is called by a kernel of tests/ptx_cases, which the device tests
// and the emulated tests hold against host models.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace fathom::test {
namespace {

std::string text_of(const std::filesystem::path& directory) {
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  return text;
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it)
    names.insert((*it)[1]);
  return names;
}

TEST(PtxCases, CallEveryFunction) {
  const std::filesystem::path root = FATHOM_SOURCE_DIR;
  const auto functions =
      matches(text_of(root / "device/ptx"), R"(\nFATHOM_DEVICE [A-Za-z0-9_]+ ([a-z0-9_]+)\()");
  EXPECT_GE(functions.size(), 60u) << "the pattern no longer finds the functions";
  const auto called = matches(text_of(root / "tests/ptx_cases/kernels"), R"(ptx::([a-z0-9_]+))");
  for (const std::string& name : functions)
    EXPECT_TRUE(called.contains(name)) << "no kernel of tests/ptx_cases calls ptx::" << name;
}

/// A kernel that no test launches would hold nothing to anything.
TEST(PtxCases, AreLaunchedByTests) {
  const std::filesystem::path root = FATHOM_SOURCE_DIR;
  const auto kernels =
      matches(text_of(root / "tests/ptx_cases/kernels"), R"(\n +(ptx_[a-z0-9_]+)\(const )");
  EXPECT_GE(kernels.size(), 15u) << "the pattern no longer finds the kernels";
  const auto launched = matches(text_of(root / "tests/ptx_cases"), R"RX("(ptx_[a-z0-9_]+)")RX");
  for (const std::string& name : kernels)
    EXPECT_TRUE(launched.contains(name)) << "no test of tests/ptx_cases launches " << name;
}

TEST(PtxCases, MultiplyEveryWidth) {
  const std::filesystem::path root = FATHOM_SOURCE_DIR;
  const auto widths = matches(text_of(root / "device/ptx"), R"(struct WgmmaE4m3<(\d+)>)");
  const auto kernels = matches(text_of(root / "tests/ptx_cases/kernels"), R"(DO\((\d+)\))");
  EXPECT_EQ(widths.size(), 32u);
  EXPECT_EQ(kernels, widths);
}

}  // namespace
}  // namespace fathom::test
