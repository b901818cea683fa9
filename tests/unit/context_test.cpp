// Context: defaults, the environment and its page, the log.
#include <fathom/context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "api/context_impl.hpp"
#include "api/environment.hpp"
#include "jit/compiler_search.hpp"
#include "support/environment.hpp"

namespace fathom {
namespace {

using test::ScopedVariable;
using testing::AllOf;
using testing::HasSubstr;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::ptrdiff_t count_entries(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return std::distance(begin(entries), end(entries));
}

TEST(Context, CreationStartsNoThreadAndOpensNoFile) {
  const std::string cache_dir = testing::TempDir() + "fathom_context_test_cache";
  const std::ptrdiff_t threads = count_entries("/proc/self/task");
  const std::ptrdiff_t files = count_entries("/proc/self/fd");
  const Context context(ContextOptions{.num_threads = 8, .cache_dir = cache_dir});
  EXPECT_EQ(count_entries("/proc/self/task"), threads);
  EXPECT_EQ(count_entries("/proc/self/fd"), files);
  EXPECT_FALSE(std::filesystem::exists(cache_dir));
}

TEST(Context, FillsInDefaults) {
  const ScopedVariable cache_home("XDG_CACHE_HOME", "/var/tmp/somewhere");
  const Context context;
  EXPECT_GE(context.options().num_threads, 1);
  EXPECT_EQ(context.options().cache_dir, "/var/tmp/somewhere/fathom");
  EXPECT_EQ(context.options().log_level, LogLevel::kOff);
}

TEST(Context, CacheDirFollowsTheBaseDirectoryRules) {
  const ScopedVariable home("HOME", "/somewhere");
  {
    const ScopedVariable cache_home("XDG_CACHE_HOME", "relative/path");
    EXPECT_EQ(Context().options().cache_dir, "/somewhere/.cache/fathom");
  }
  const ScopedVariable cache_home("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(Context().options().cache_dir, "/somewhere/.cache/fathom");
  const ScopedVariable no_home("HOME", nullptr);
  EXPECT_EQ(Context().options().cache_dir, "");
}

TEST(Context, RefusesNegativeThreads) {
  try {
    const Context context(ContextOptions{.num_threads = -2});
    FAIL() << "it was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("Context: num_threads is -2; it needs 0 or more"));
  }
}

TEST(Context, CopiesShareTheirState) {
  const Context context;
  const Context copy = context;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(&context.impl(), &copy.impl());
}

TEST(Environment, EveryVariableSetsItsField) {
  const ScopedVariable variables[] = {
      {"FATHOM_LOG", "info"},          {"FATHOM_NUM_THREADS", "3"},
      {"FATHOM_CACHE_DIR", "/c"},      {"FATHOM_LIBCUDA", "/l"},
      {"FATHOM_NVRTC", "/n"},          {"FATHOM_OPENBLAS", "/o"},
      {"FATHOM_COMPILER", "nvcc"},     {"FATHOM_SYSTEM_CACHE_DIR", "/s"},
      {"FATHOM_CACHE_LIMIT_MIB", "7"}, {"FATHOM_SITE_PACKAGES", "/p:/q"},
      {"FATHOM_LINE_INFO", "1"}};
  EXPECT_EQ(std::size(variables), api::environment_variables().size())
      << "a variable that is not tested here";
  const Context context = Context::from_env();
  const ContextOptions& options = context.options();
  EXPECT_EQ(options.log_level, LogLevel::kInfo);
  EXPECT_TRUE(options.log);
  EXPECT_EQ(options.num_threads, 3);
  EXPECT_EQ(options.compiler, "nvcc");
  EXPECT_EQ(options.cache_limit_mib, 7);
  EXPECT_EQ(options.system_cache_dir, "/s");
  EXPECT_EQ(options.site_packages, "/p:/q");
  EXPECT_TRUE(options.line_info);
  EXPECT_EQ(options.cache_dir, "/c");
  EXPECT_EQ(options.libcuda, "/l");
  EXPECT_EQ(options.nvrtc, "/n");
  EXPECT_EQ(options.openblas, "/o");
}

TEST(Environment, UnsetAndEmptyAreTheDefault) {
  const ScopedVariable log("FATHOM_LOG", "");
  const ScopedVariable threads("FATHOM_NUM_THREADS", nullptr);
  const ContextOptions options = ContextOptions::from_env();
  EXPECT_EQ(options.log_level, LogLevel::kOff);
  EXPECT_FALSE(options.log);
  EXPECT_EQ(options.num_threads, 0);
}

TEST(Environment, IsReadOnlyByFromEnv) {
  const ScopedVariable threads("FATHOM_NUM_THREADS", "3");
  const ScopedVariable cache("FATHOM_CACHE_DIR", "/c");
  const Context plain;
  EXPECT_NE(plain.options().cache_dir, "/c");
  const Context context = Context::from_env();
  setenv("FATHOM_NUM_THREADS", "5", 1);
  EXPECT_EQ(context.options().num_threads, 3);
}

TEST(Environment, BadValuesAreNamed) {
  for (const char* value : {"-1", "many", "4 ", "99999999999", "2.5"}) {
    const ScopedVariable threads("FATHOM_NUM_THREADS", value);
    try {
      ContextOptions::from_env();
      ADD_FAILURE() << value << " passed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(),
                  AllOf(HasSubstr("FATHOM_NUM_THREADS is \"" + std::string(value) + "\""),
                        HasSubstr("whole number")));
    }
  }
  const ScopedVariable log("FATHOM_LOG", "loud");
  try {
    ContextOptions::from_env();
    ADD_FAILURE() << "loud passed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("FATHOM_LOG is \"loud\""),
                                    HasSubstr("off, error, warning, info, debug")));
  }
}

TEST(Environment, BadSettingsOfTheCompilerAreNamed) {
  for (const char* name : {"FATHOM_CACHE_LIMIT_MIB", "FATHOM_COMPILER", "FATHOM_LINE_INFO"}) {
    const ScopedVariable variable(name, "no");
    try {
      ContextOptions::from_env();
      ADD_FAILURE() << name << " passed";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(std::string(name) + " is \"no\""));
    }
  }
}

TEST(Environment, ThePageHoldsTheTable) {
  const std::string page = read_file(std::string(FATHOM_SOURCE_DIR) + "/docs/environment.md");
  EXPECT_THAT(page, HasSubstr(api::environment_table()))
      << "docs/environment.md needs this table:\n"
      << api::environment_table();
}

TEST(Environment, ThePageNamesTheVariablesOfOtherSoftware) {
  static std::vector<std::string> names;
  names = {"XDG_CACHE_HOME", "HOME"};
  jit::CompilerSettings().read_environment([](const char* name) {
    names.emplace_back(name);
    return std::string();
  });
  const std::string page = read_file(std::string(FATHOM_SOURCE_DIR) + "/docs/environment.md");
  for (const std::string& name : names) EXPECT_THAT(page, HasSubstr("`" + name + "`"));
}

// The other half of "read once": getenv stands in one file of the library.
TEST(Environment, OneFileReadsIt) {
  std::vector<std::string> readers;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::string(FATHOM_SOURCE_DIR) + "/src")) {
    if (!entry.is_regular_file()) continue;
    if (read_file(entry.path()).find("getenv(") != std::string::npos)
      readers.push_back(entry.path().filename());
  }
  EXPECT_THAT(readers, testing::ElementsAre("environment.cpp"));
}

struct Message {
  LogLevel level;
  std::string text;
};

TEST(Log, PassesWhatTheLevelAsksFor) {
  std::vector<Message> messages;
  const Context context(ContextOptions{.log_level = LogLevel::kWarning,
                                       .log = [&](LogLevel level, std::string_view text) {
                                         messages.push_back({level, std::string(text)});
                                       }});
  context.impl().log(LogLevel::kInfo, "not asked for");
  context.impl().log(LogLevel::kWarning, "first");
  context.impl().log(LogLevel::kError, "second");
  context.impl().log(LogLevel::kOff, "has no level");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].text, "first");
  EXPECT_EQ(messages[0].level, LogLevel::kWarning);
  EXPECT_EQ(messages[1].text, "second");
  EXPECT_FALSE(context.impl().logs(LogLevel::kInfo));
  EXPECT_TRUE(context.impl().logs(LogLevel::kError));
}

TEST(Log, IsSilentByDefault) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Context context;
  context.impl().log(LogLevel::kError, "nobody listens");
  const Context asked(ContextOptions{.log_level = LogLevel::kDebug});
  asked.impl().log(LogLevel::kError, "a level without a callback");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Log, FromEnvWritesToStandardError) {
  const ScopedVariable log("FATHOM_LOG", "debug");
  const Context context = Context::from_env();
  testing::internal::CaptureStderr();
  context.impl().log(LogLevel::kWarning, "the cache is read-only");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "fathom: warning: the cache is read-only\n");
}

TEST(Log, IsCalledByOneThreadAtATime) {
  std::atomic<int> inside = 0;
  int calls = 0;  // not atomic: the lock must do
  bool overlapped = false;
  const Context context(
      ContextOptions{.log_level = LogLevel::kInfo, .log = [&](LogLevel, std::string_view) {
                       overlapped |= inside.fetch_add(1) != 0;
                       ++calls;
                       std::this_thread::yield();
                       inside.fetch_sub(1);
                     }});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) context.impl().log(LogLevel::kInfo, "message");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(calls, 8 * 500);
}

TEST(Log, SurvivesACallbackThatThrowsOrLogs) {
  int calls = 0;
  const Context* again = nullptr;
  const Context context(
      ContextOptions{.log_level = LogLevel::kInfo, .log = [&](LogLevel, std::string_view) {
                       if (++calls == 1) again->impl().log(LogLevel::kInfo, "from the callback");
                       throw std::runtime_error("no room");
                     }});
  again = &context;
  EXPECT_NO_THROW(context.impl().log(LogLevel::kInfo, "message"));
  EXPECT_EQ(calls, 2);
}

TEST(Version, IsThreeNumbersAndACommit) {
  EXPECT_THAT(std::string(version()), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_FALSE(commit().empty());
}

}  // namespace
}  // namespace fathom
