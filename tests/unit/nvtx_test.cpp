// Ranges reach NVIDIA's tools extension when it is in the process.
#include "cuda/nvtx.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

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

/// 0 when a range was pushed at its start and popped at its end.
int exit_code_with_stand_in(const std::filesystem::path& folder) {
  std::ofstream(folder / "nvtx.c") << kStandIn;
  const std::string library = (folder / "stand_in.so").string();
  const std::string build = "cc -shared -fPIC -Wl,-soname,libnvToolsExt.so.1 -o " + library + " " +
                            (folder / "nvtx.c").string();
  if (std::system(build.c_str()) != 0) return 10;
  void* handle = dlopen(library.c_str(), RTLD_NOW);
  if (handle == nullptr) return 11;
  const auto depth = reinterpret_cast<int (*)()>(dlsym(handle, "stand_in_depth"));
  const auto pushed = reinterpret_cast<int (*)()>(dlsym(handle, "stand_in_pushed"));
  {
    const ProfilerRange range("fp8_gemm");
    if (depth() != 1 || pushed() != 1) return 12;
  }
  return depth() == 0 ? 0 : 13;
}

int exit_code_in_a_folder() {
  std::string folder = (std::filesystem::temp_directory_path() / "fathom-nvtx-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 9;
  const int code = exit_code_with_stand_in(folder);
  std::filesystem::remove_all(folder);
  return code;
}

TEST(NvtxDeathTest, RangesReachTheToolsExtension) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process that has not looked for it yet
  EXPECT_EXIT(std::_Exit(exit_code_in_a_folder()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fathom::cuda
