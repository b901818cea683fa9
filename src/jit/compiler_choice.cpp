// The choice among the compilers that compiler_search.cpp found. JIT layer.
#include "jit/compiler_choice.hpp"

#include <fmt/format.h>

#include <fathom/error.hpp>

#include "jit/nvcc.hpp"
#include "jit/nvrtc.hpp"

namespace fathom::jit {
namespace {

CompilerChoice choose_nvcc(const CompilerSettings& settings, int driver_major) {
  const std::filesystem::path path = search_nvcc(settings);
  if (path.empty()) {
    return {
        nullptr,
        "no nvcc in CUDA_HOME, PATH or the system's toolkit directories; set CUDA_HOME to a CUDA "
        "toolkit, or FATHOM_COMPILER=nvrtc"};
  }
  auto compiler = std::make_shared<Nvcc>(path);
  if (driver_major != 0 && compiler->cuda_major() > driver_major) {
    return {
        nullptr,
        fmt::format("{} ({}) is above the driver's CUDA {}; set CUDA_HOME to a toolkit of CUDA {} "
                    "or older, or update the driver",
                    path.native(), compiler->identity(), driver_major, driver_major)};
  }
  return {std::move(compiler), ""};
}

std::string nvrtc_report(const NvrtcSearch& search, const std::string& rejected, int driver_major) {
  std::string report = fmt::format("no usable libnvrtc (needed: {}.{} to {}.x", Nvrtc::kOldestMajor,
                                   Nvrtc::kOldestMinor, Nvrtc::kNewestMajor);
  if (driver_major != 0) report += fmt::format(", not above the driver's CUDA {}", driver_major);
  report += ")";
  if (!rejected.empty()) report += "\n  found:" + rejected;
  report += "\n  looked in:";
  for (const std::filesystem::path& directory : search.looked)
    report += "\n    " + directory.native();
  const bool old_driver = driver_major != 0 && driver_major < Nvrtc::kNewestMajor;
  report += fmt::format(
      "\n  to install: pip install {} (any Python environment that is active), or set FATHOM_NVRTC "
      "to "
      "libnvrtc",
      old_driver ? "nvidia-cuda-nvrtc-cu12" : "nvidia-cuda-nvrtc");
  return report;
}

CompilerChoice choose_nvrtc(const CompilerSettings& settings, int driver_major) {
  const NvrtcSearch search = search_nvrtc(settings);
  std::string rejected;
  for (const NvrtcFiles& files : search.found) {
    auto compiler = std::make_shared<Nvrtc>(files);
    const std::string why = compiler->unusable(driver_major);
    if (why.empty()) return {std::move(compiler), ""};
    rejected += fmt::format("\n    {}: {}", files.library.native(), why);
  }
  return {nullptr, nvrtc_report(search, rejected, driver_major)};
}

}  // namespace

CompilerChoice choose_compiler(const CompilerSettings& settings, int driver_major) {
  if (settings.compiler == "nvrtc") return choose_nvrtc(settings, driver_major);
  if (settings.compiler == "nvcc") return choose_nvcc(settings, driver_major);
  if (settings.compiler == "none") {
    return {nullptr, "FATHOM_COMPILER=none allows only kernels that the cache holds"};
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("choose the run-time compiler: FATHOM_COMPILER is '{}'; it needs nvrtc, nvcc or "
                  "none",
                  settings.compiler));
}

}  // namespace fathom::jit
