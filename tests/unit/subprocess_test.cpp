// Child processes: what they say and how they end.
#include "support/subprocess.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fathom/error.hpp>
#include <string>

namespace fathom::support {
namespace {

using ::testing::HasSubstr;

TEST(Subprocess, GivesOutputAndExitCode) {
  const std::string command[] = {"sh", "-c", "echo said; exit 3"};
  const ProcessResult result = run_process(command);
  EXPECT_EQ(result.output, "said\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(Subprocess, AnExitCodeThatIsLostIsNoSuccess) {
  const std::string command[] = {"false"};
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  try {
    run_process(command);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_THAT(error.what(), HasSubstr("SIGCHLD"));
  }
  std::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace fathom::support
