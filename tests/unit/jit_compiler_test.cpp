// Finding a compiler on a made-up machine, and what is said when there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fathom/error.hpp>
#include <filesystem>
#include <string>

#include "jit/compiler_choice.hpp"
#include "jit/nvcc.hpp"
#include "jit/nvrtc.hpp"
#include "support/files.hpp"

namespace fathom::jit {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class JitCompilerSearch : public ::testing::Test {
 protected:
  JitCompilerSearch() { settings_.system_directories = {root_ / "cuda/lib64"}; }

  /// Empty files: whether they are taken is decided by their names.
  void place(const fs::path& directory, int major, const std::string& version) {
    fs::create_directories(root_ / directory);
    support::write_file_atomically(root_ / directory / ("libnvrtc.so." + std::to_string(major)),
                                   "");
    support::write_file_atomically(root_ / directory / ("libnvrtc-builtins.so." + version), "");
  }
  std::string chosen(int driver_major = 0) {
    const CompilerChoice choice = choose_compiler(settings_, driver_major);
    return choice.compiler
               ? fs::path(choice.compiler->location()).lexically_relative(root_).native()
               : "none";
  }

  support::TemporaryDirectory temporary_{"fathom-test"};
  fs::path root_ = temporary_.path();
  CompilerSettings settings_;
};

TEST_F(JitCompilerSearch, KnowsBothLayoutsOfTheWheels) {
  settings_.virtual_env = root_ / "venv";
  EXPECT_EQ(chosen(), "none");
  const fs::path packages = "venv/lib/python3.11/site-packages/nvidia";
  place(packages / "cuda_nvrtc/lib", 12, "12.9");
  EXPECT_EQ(chosen(), packages / "cuda_nvrtc/lib/libnvrtc.so.12");
  place(packages / "cu13/lib", 13, "13.5");
  EXPECT_EQ(chosen(), packages / "cu13/lib/libnvrtc.so.13");
  EXPECT_EQ(chosen(13), packages / "cu13/lib/libnvrtc.so.13");
  EXPECT_EQ(chosen(12), packages / "cuda_nvrtc/lib/libnvrtc.so.12") << "the driver is CUDA 12";
  EXPECT_EQ(chosen(11), "none");

  const NvrtcSearch search = search_nvrtc(settings_);
  ASSERT_EQ(search.found.size(), 2u);
  EXPECT_EQ(search.found[0].minor, 5);
  EXPECT_EQ(search.found[1].minor, 9);
}

TEST_F(JitCompilerSearch, BuiltinsOfTwoVersionsTellNone) {
  place("cuda/lib64", 12, "12.4");
  place("cuda/lib64", 12, "12.4.127");
  EXPECT_EQ(nvrtc_in(root_ / "cuda").at(0).minor, 4);
  place("cuda/lib64", 12, "12.6");
  EXPECT_EQ(nvrtc_in(root_ / "cuda").at(0).minor, -1);
}

TEST_F(JitCompilerSearch, PrefersTheCallersPackagesThenTheEnvironmentThenTheSystem) {
  place("cuda/lib64", 13, "13.0");
  EXPECT_EQ(chosen(), "cuda/lib64/libnvrtc.so.13");
  settings_.cuda_home = root_ / "home";
  place("home/lib64", 12, "12.4");
  EXPECT_EQ(chosen(), "home/lib64/libnvrtc.so.12");
  settings_.conda_prefix = root_ / "conda";
  place("conda/lib", 12, "12.5");
  EXPECT_EQ(chosen(), "conda/lib/libnvrtc.so.12");
  settings_.virtual_env = root_ / "venv";
  place("venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib", 12, "12.6");
  EXPECT_THAT(chosen(), HasSubstr("venv"));
  settings_.site_packages = {root_ / "packages"};
  place("packages/nvidia/cuda_nvrtc/lib", 12, "12.8");
  EXPECT_EQ(chosen(), "packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
}

TEST_F(JitCompilerSearch, AnExplicitLibraryIsTheOnlyCandidate) {
  place("cuda/lib64", 13, "13.0");
  place("mine", 12, "12.3");
  settings_.nvrtc = root_ / "mine/libnvrtc.so.12";
  EXPECT_EQ(chosen(), "mine/libnvrtc.so.12");
  settings_.nvrtc = root_ / "mine";
  EXPECT_EQ(chosen(), "mine/libnvrtc.so.12");
  settings_.nvrtc = root_ / "not-there.so";
  EXPECT_EQ(chosen(), "none");
  EXPECT_THAT(choose_compiler(settings_, 0).report,
              AllOf(HasSubstr("not-there.so"), Not(HasSubstr("cuda/lib64"))));
}

TEST_F(JitCompilerSearch, ReadsVersionsAsNumbers) {
  // As texts, "12.10" < "12.3" and "12.2" < "12.3".
  place("cuda/lib64", 12, "12.10");
  EXPECT_EQ(chosen(), "cuda/lib64/libnvrtc.so.12");
  fs::remove_all(root_ / "cuda");
  place("cuda/lib64", 12, "12.2");
  EXPECT_EQ(chosen(), "none");
  EXPECT_THAT(choose_compiler(settings_, 0).report, HasSubstr("version 12.2 is older than 12.3"));
  fs::remove_all(root_ / "cuda");
  place("cuda/lib64", 14, "14.0");
  EXPECT_EQ(chosen(), "none");
  EXPECT_THAT(choose_compiler(settings_, 0).report, HasSubstr("version 14.0 is newer than 13.x"));
}

TEST_F(JitCompilerSearch, SaysWhatWasSearchedFoundAndWhatToInstall) {
  settings_.virtual_env = root_ / "venv";
  fs::create_directories(root_ / "venv/lib/python3.11/site-packages");
  place("cuda/lib64", 13, "13.1");
  const std::string report = choose_compiler(settings_, 12).report;
  EXPECT_THAT(report, HasSubstr("needed: 12.3 to 13.x, not above the driver's CUDA 12"));
  EXPECT_THAT(report, HasSubstr("libnvrtc.so.13: version 13.1 is above the driver's CUDA 12"));
  EXPECT_THAT(report, HasSubstr("site-packages/nvidia/cu13/lib"));
  EXPECT_THAT(report, HasSubstr("site-packages/nvidia/cuda_nvrtc/lib"));
  EXPECT_THAT(report, HasSubstr((root_ / "cuda/lib64").native()));
  EXPECT_THAT(report, HasSubstr("pip install nvidia-cuda-nvrtc-cu12"));
  EXPECT_THAT(report, HasSubstr("FATHOM_NVRTC"));
}

TEST_F(JitCompilerSearch, AFileThatIsNoLibraryIsReportedWhenItIsLoaded) {
  place("cuda/lib64", 13, "13.0");
  const CompilerChoice choice = choose_compiler(settings_, 0);
  ASSERT_TRUE(choice.compiler);
  try {
    choice.compiler->compile({"k", "", {}, "sm_90a", {}});
    FAIL() << "compiled with an empty file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCompileFailed);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("libnvrtc"), HasSubstr("FATHOM_NVRTC")));
  }
}

TEST_F(JitCompilerSearch, TwoBuildsOfOneVersionAreTwoCompilers) {
  place("cuda/lib64", 13, "13.0");
  const std::string before = choose_compiler(settings_, 0).compiler->identity();
  EXPECT_EQ(before, choose_compiler(settings_, 0).compiler->identity());
  EXPECT_THAT(before, AllOf(HasSubstr("nvrtc 13.0 "), Not(HasSubstr("/"))));
  support::write_file_atomically(root_ / "cuda/lib64/libnvrtc.so.13", "another build");
  EXPECT_NE(before, choose_compiler(settings_, 0).compiler->identity());
}

TEST_F(JitCompilerSearch, ReadsTheVariablesOfOtherSoftware) {
  settings_.read_environment([](const char* name) -> std::string {
    return std::string(name) == "CUDA_HOME" ? "" : std::string("/") + name;
  });
  EXPECT_EQ(settings_.virtual_env, "/VIRTUAL_ENV");
  EXPECT_EQ(settings_.conda_prefix, "/CONDA_PREFIX");
  EXPECT_EQ(settings_.cuda_home, "/CUDA_PATH");
  EXPECT_EQ(settings_.path, "/PATH");
}

TEST_F(JitCompilerSearch, RefusesCompilersItDoesNotKnow) {
  settings_.compiler = "gcc";
  try {
    choose_compiler(settings_, 0);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("'gcc'"));
  }
}

/// A script in nvcc's place: answers --version and copies the source to the output.
constexpr std::string_view kFakeNvcc = R"sh(#!/bin/sh
[ "$1" = --version ] && { echo "Cuda compilation tools, release 12.10, V12.10.5"; exit 0; }
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; [ "$1" = -I ] && include=$2; shift; done
cat "$include/part/one.cuh" "$1" > "$out"
echo "ptxas info    : Used 40 registers"
)sh";

TEST_F(JitCompilerSearch, RunsNvccWithoutAShell) {
  settings_.compiler = "nvcc";
  settings_.path = "/nowhere:" + (root_ / "a b;c/bin").native();
  EXPECT_THAT(choose_compiler(settings_, 0).report, HasSubstr("no nvcc"));
  const fs::path nvcc = root_ / "a b;c/bin/nvcc";
  fs::create_directories(nvcc.parent_path());
  support::write_file_atomically(nvcc, kFakeNvcc);
  fs::permissions(nvcc, fs::perms{0755});
  EXPECT_THAT(choose_compiler(settings_, 11).report, HasSubstr("above the driver's CUDA 11"));
  const CompilerChoice choice = choose_compiler(settings_, 12);
  ASSERT_TRUE(choice.compiler) << choice.report;
  EXPECT_EQ(choice.compiler->identity(), "nvcc 12.10.5");
  const std::vector<embedded::DeviceSource> headers = {{"part/one.cuh", "one;"}};
  const CompileOutput output = choice.compiler->compile({"k", "two;", headers, "sm_90a", {}});
  EXPECT_TRUE(output.ok) << output.log;
  EXPECT_EQ(output.image, "one;two;");
  EXPECT_THAT(output.log, HasSubstr("Used 40 registers"));
  EXPECT_THAT(output.command, HasSubstr("--gpu-architecture=sm_90a"));
}

TEST(JitNvcc, ParsesItsVersion) {
  EXPECT_EQ(parse_nvcc_version("Cuda compilation tools, release 13.0, V13.0.88\nBuild"), "13.0.88");
  EXPECT_EQ(parse_nvcc_version("release 12.3, V12.3"), "12.3");
  EXPECT_EQ(parse_nvcc_version("nvcc: command not found"), "");
  EXPECT_EQ(parse_nvcc_version("release 12.3"), "");
}

}  // namespace
}  // namespace fathom::jit
