// The programs of examples/, run as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

namespace {

struct Finished {
  int status = -1;
  std::string output;
};

Finished run(const std::string& program) {
  Finished result;
  FILE* pipe =
      popen((std::string(FATHOM_BINARY_DIR) + "/examples/" + program + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 256> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) result.output += buffer.data();
  result.status = pclose(pipe);
  return result;
}

TEST(Examples, QuickStarts) {
  for (const char* program : {"example_cpp", "example_c"}) {
    const Finished example = run(program);
    EXPECT_EQ(example.status, 0) << program;
    EXPECT_EQ(example.output, "d[0, 0] = 512, in exact arithmetic 512\n") << program;
  }
}

}  // namespace
