// Ranges reach NVIDIA's tools extension when it is in the process.
#include "cuda/nvtx.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "cuda/driver.hpp"
#include "cuda/launch.hpp"
#include "support/recording_cuda.hpp"

namespace fathom::cuda {
namespace {

// Counts what it is told; a library is known to the loader by its soname, whatever its path.
constexpr char kStandIn[] = R"(
static int depth = 0, pushed = 0;
int nvtxRangePushA(const char* name) { if (name[0] == 'f') ++pushed; return depth++; }
int nvtxRangePop(void) { return --depth; }
int stand_in_depth(void) { return depth; }
int stand_in_pushed(void) { return pushed; }
)";

/// The stand-in, loaded; null when it could not be.
void* load_stand_in(const std::filesystem::path& folder) {
  std::ofstream(folder / "nvtx.c") << kStandIn;
  const std::string library = (folder / "stand_in.so").string();
  const std::string build = "cc -shared -fPIC -Wl,-soname,libnvToolsExt.so.1 -o " + library + " " +
                            (folder / "nvtx.c").string();
  if (std::system(build.c_str()) != 0) return nullptr;
  return dlopen(library.c_str(), RTLD_NOW);
}

/// 0 when a range was pushed at its start and popped at its end.
int exit_code_of_a_range(const std::filesystem::path& folder) {
  void* handle = load_stand_in(folder);
  if (handle == nullptr) return 11;
  const auto depth = reinterpret_cast<int (*)()>(dlsym(handle, "stand_in_depth"));
  const auto pushed = reinterpret_cast<int (*)()>(dlsym(handle, "stand_in_pushed"));
  {
    const ProfilerRange range("fp8_gemm");
    if (depth() != 1 || pushed() != 1) return 12;
  }
  return depth() == 0 ? 0 : 13;
}

/// 0 when a launch did not find what came after its kernel was loaded.
int exit_code_of_a_launch(const std::filesystem::path& folder) {
  const testing::RecordingCuda gpu;
  const Driver& driver = Driver::load(gpu.path());
  const Function function =
      driver.library("key", [] { return "fp8_gemm"; }).function(driver.device(0), "fp8_gemm", 0);
  void* handle = load_stand_in(folder);
  if (handle == nullptr) return 11;
  launch(function, {.block = {128}}, nullptr, nullptr);
  return reinterpret_cast<int (*)()>(dlsym(handle, "stand_in_pushed"))();
}

int exit_code_in_a_folder(int (*exit_code)(const std::filesystem::path& folder)) {
  std::string folder = (std::filesystem::temp_directory_path() / "fathom-nvtx-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 9;
  const int code = exit_code(folder);
  std::filesystem::remove_all(folder);
  return code;
}

TEST(NvtxDeathTest, RangesReachTheToolsExtension) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process that has not looked for it yet
  EXPECT_EXIT(std::_Exit(exit_code_in_a_folder(exit_code_of_a_range)), ::testing::ExitedWithCode(0),
              "");
}

TEST(NvtxDeathTest, ALaunchDoesNotLookForTheToolsExtension) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(exit_code_in_a_folder(exit_code_of_a_launch)),
              ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fathom::cuda
