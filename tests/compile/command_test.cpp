// fathom compile and fathom cache as a user runs them, with NVRTC from the wheels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plan/gemm_configs.hpp"
#include "plan/kernel_set.hpp"
#include "support/environment.hpp"
#include "support/files.hpp"
#include "support/subprocess.hpp"

namespace fathom {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class CompileCommand : public ::testing::Test {
 protected:
  struct Answer {
    int exit_code;
    Json json;
  };
  /// Standard error is closed to the test by --json: the library has nothing to say.
  static Answer run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), FATHOM_BINARY_DIR "/fathom");
    arguments.emplace_back("--json");
    const support::ProcessResult result = support::run_process(arguments);
    Json json = Json::parse(result.output, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result.output;
    return {result.exit_code, std::move(json)};
  }

  support::TemporaryDirectory temporary_{"fathom-test"};
  const std::string first_ = plan::gemm_tag(plan::gemm_configs().front());
  test::ScopedVariable cache_{"FATHOM_CACHE_DIR", (temporary_.path() / "cache").c_str()};
  test::ScopedVariable system_{"FATHOM_SYSTEM_CACHE_DIR", nullptr};
  test::ScopedVariable environment_{"VIRTUAL_ENV", FATHOM_SOURCE_DIR "/.venv"};
  test::ScopedVariable nvrtc_{"FATHOM_NVRTC", nullptr};
};

TEST_F(CompileCommand, WritesCubinsAndFillsTheCache) {
  const Answer first = run({"compile", "--config", first_, "--jobs", "2", "-o",
                            (temporary_.path() / "made/here").native()});
  ASSERT_EQ(first.exit_code, 0) << first.json;
  EXPECT_EQ(first.json["schema"], 1);
  ASSERT_EQ(first.json["kernels"].size(), 1u);
  const Json& kernel = first.json["kernels"][0];
  EXPECT_EQ(kernel["name"], "fp8_gemm_" + first_);
  EXPECT_EQ(kernel["path"], (temporary_.path() / "made/here" / (first_ + ".cubin")).native());
  const std::string cubin = support::read_file(kernel["path"].get<std::string>()).value_or("");
  EXPECT_EQ(kernel["bytes"], cubin.size());
  EXPECT_THAT(cubin, AllOf(::testing::StartsWith("\x7f"
                                                 "ELF"),
                           HasSubstr(".text.fp8_gemm_" + first_)));
  EXPECT_GT(kernel["registers"], 0);
  EXPECT_EQ(kernel["spill_bytes"], 0);
  EXPECT_GT(kernel["ms"], 0);
  EXPECT_EQ(kernel["cached"], false);

  const Answer second = run({"compile", "--config", first_});
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.json["kernels"][0]["cached"], true);
  EXPECT_TRUE(second.json["kernels"][0]["path"].is_null());
  EXPECT_EQ(second.json["kernels"][0]["registers"], kernel["registers"]);
}

TEST_F(CompileCommand, WithoutACompilerTheExitCodeIsFour) {
  const test::ScopedVariable nvrtc("FATHOM_NVRTC", "/nowhere/libnvrtc.so");
  const Answer answer = run({"compile", "--config", first_});
  EXPECT_EQ(answer.exit_code, 4);
  EXPECT_EQ(answer.json["error"]["code"], "compile_failed");
  EXPECT_THAT(answer.json["error"]["message"].get<std::string>(),
              AllOf(HasSubstr("/nowhere/libnvrtc.so"), HasSubstr("pip install")));
}

TEST_F(CompileCommand, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(run({"compile", "--config", "1x1"}).exit_code, 2);
  EXPECT_EQ(run({"compile"}).exit_code, 2);
  EXPECT_EQ(run({"compile", "--all", "--config", first_}).exit_code, 2);
  EXPECT_EQ(run({"cache"}).exit_code, 2);
}

TEST_F(CompileCommand, AnUnwritableCacheIsAnErrorUnlessFilesAreAskedFor) {
  const test::ScopedVariable cache("FATHOM_CACHE_DIR", "/proc/self/fathom");
  EXPECT_EQ(run({"cache", "list"}).json["kernels"].size(), 0u);
  const std::vector<std::string> command = {FATHOM_BINARY_DIR "/fathom", "compile", "--config",
                                            first_};
  const support::ProcessResult result = support::run_process(command);
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_THAT(result.output, HasSubstr("FATHOM_CACHE_DIR"));
}

TEST_F(CompileCommand, ListsTheClosedSet) {
  const Answer answer = run({"compile", "--list"});
  EXPECT_EQ(answer.json["configs"].size(), plan::all_kernels().size());
  EXPECT_EQ(answer.json["configs"][0], first_);
}

TEST_F(CompileCommand, TheCacheIsListedVerifiedAndCleared) {
  const std::string directory = (temporary_.path() / "cache").native();
  EXPECT_EQ(run({"cache", "path"}).json["path"], directory);
  EXPECT_EQ(run({"cache", "list"}).json["kernels"].size(), 0u);
  ASSERT_EQ(run({"compile", "--config", first_}).exit_code, 0);

  const Answer list = run({"cache", "list"});
  ASSERT_EQ(list.json["kernels"].size(), 1u);
  const Json& kernel = list.json["kernels"][0];
  EXPECT_EQ(kernel["name"], "fp8_gemm_" + first_);
  EXPECT_EQ(kernel["architecture"], "sm_90a");
  EXPECT_THAT(kernel["compiler"].get<std::string>(), HasSubstr("nvrtc 13."));
  const Answer good = run({"cache", "verify"});
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(good.json["checked"], 1);

  const std::string path = kernel["path"];
  ASSERT_EQ(::truncate(path.c_str(), 1000), 0);
  const Answer bad = run({"cache", "verify"});
  EXPECT_EQ(bad.exit_code, 1);
  ASSERT_EQ(bad.json["damaged"].size(), 1u);
  EXPECT_EQ(bad.json["damaged"][0]["path"], path);
  EXPECT_EQ(run({"cache", "clear"}).json["removed"], 1);
  EXPECT_EQ(run({"cache", "verify"}).json["checked"], 0);
}

TEST_F(CompileCommand, AFilledDirectoryServesAsTheSystemCache) {
  ASSERT_EQ(run({"compile", "--config", first_}).exit_code, 0);
  fs::rename(temporary_.path() / "cache", temporary_.path() / "image");
  const test::ScopedVariable system("FATHOM_SYSTEM_CACHE_DIR",
                                    (temporary_.path() / "image").c_str());
  EXPECT_EQ(run({"compile", "--config", first_}).json["kernels"][0]["cached"], true);
  EXPECT_EQ(run({"cache", "list"}).json["kernels"][0]["layer"], "system");
  EXPECT_EQ(run({"cache", "clear"}).json["removed"], 0);
}

}  // namespace
}  // namespace fathom
