// The NVRTC wheels of .venv, the toolkit hidden. Test support.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "jit/compiler_search.hpp"
#include "jit/nvrtc.hpp"

namespace fathom::test {

/// Settings that see the wheels of .venv and nothing else of this machine.
inline jit::CompilerSettings wheel_settings() {
  jit::CompilerSettings settings;
  settings.virtual_env = FATHOM_SOURCE_DIR "/.venv";
  settings.system_directories.clear();
  return settings;
}

/// The wheel of this CUDA major version: nvidia-cuda-nvrtc (13) or nvidia-cuda-nvrtc-cu12 (12).
inline std::shared_ptr<jit::Nvrtc> wheel_compiler(int major) {
  for (const jit::NvrtcFiles& files : jit::search_nvrtc(wheel_settings()).found) {
    if (files.major == major) return std::make_shared<jit::Nvrtc>(files);
  }
  throw std::runtime_error("no NVRTC " + std::to_string(major) + " in .venv: run tools/setup test");
}

}  // namespace fathom::test
