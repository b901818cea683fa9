// Entry of the device tests: `device_tests [--summary FILE] [gtest flags]`. Needs a Hopper GPU and
// a run-time compiler; without either it fails, and says so in its last line.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include <fathom/error.hpp>

#include "device/oracle.hpp"
#include "device/summary.hpp"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::string file;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--summary") file = argv[i + 1];
  }
  fathom::testing::Summary& summary = fathom::testing::Summary::instance();
  int result = 1;
  try {
    fathom::testing::Oracle::instance();
    result = RUN_ALL_TESTS();
    const ::testing::UnitTest& tests = *::testing::UnitTest::GetInstance();
    summary.finish(tests);
    if (tests.test_to_run_count() == 0) {
      summary.note("error", "the filter names no test");
      result = 1;
    }
  } catch (const fathom::Error& error) {
    summary.note("error", error.what());
  }
  if (!file.empty()) summary.write(file);
  std::fputs(summary.line().c_str(), stdout);
  return result;
}
