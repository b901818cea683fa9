// What the command line makes of the environment.
#include "backend.hpp"

#include <gtest/gtest.h>

#include "support/environment.hpp"

namespace fathom::cli {
namespace {

TEST(CliContext, WarnsUnlessTheEnvironmentSaysOtherwise) {
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    const test::ScopedVariable log("FATHOM_LOG", unset);
    EXPECT_EQ(make_context().options().log_level, LogLevel::kWarning);
    EXPECT_TRUE(make_context().options().log);
  }
  const test::ScopedVariable log("FATHOM_LOG", "off");
  EXPECT_EQ(make_context().options().log_level, LogLevel::kOff);
}

}  // namespace
}  // namespace fathom::cli
