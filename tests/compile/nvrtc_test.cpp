// NVRTC from the wheels, both layouts, on kernels small enough to know what must come out.
#include "jit/nvrtc.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "compile/wheels.hpp"
#include "jit/builder.hpp"
#include "support/files.hpp"

namespace fathom::jit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> kOptions = {"--std=c++20", "-default-device", "--ptxas-options=-v"};
const std::vector<embedded::DeviceSource> kHeaders = {
    {"part/outer.cuh", "#pragma once\n#include \"part/inner.hpp\"\n"},
    {"part/inner.hpp", "#pragma once\ninline constexpr int kOffset = 41;\n"}};

constexpr std::string_view kPlain =
    "#include \"part/outer.cuh\"\n"
    R"(
extern "C" __global__ void __launch_bounds__(128, 1) plain(int* out) { out[threadIdx.x] = kOffset; }
)";

// 400 live values in 255 registers at most.
constexpr std::string_view kSpilling = R"(
extern "C" __global__ void __launch_bounds__(128, 1) spilling(float* data, int rounds) {
  float values[400];
#pragma unroll
  for (int i = 0; i < 400; ++i) values[i] = data[i * 128 + threadIdx.x];
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < 400; ++i) values[i] = values[i] * values[(i * 7 + 1) % 400] + data[round];
  }
#pragma unroll
  for (int i = 0; i < 400; ++i) data[i * 128 + threadIdx.x] = values[i];
}
)";

class NvrtcWheel : public ::testing::TestWithParam<int> {
 protected:
  CompileRequest request(std::string_view name, std::string_view source) {
    return {name, source, kHeaders, "sm_90a", kOptions};
  }
  std::shared_ptr<Nvrtc> nvrtc_ = test::wheel_compiler(GetParam());
};

TEST_P(NvrtcWheel, CompilesWithHeadersFromMemory) {
  EXPECT_EQ(nvrtc_->unusable(GetParam()), "");
  EXPECT_EQ(nvrtc_->cuda_major(), GetParam());
  const CompileOutput output = nvrtc_->compile(request("plain", kPlain));
  ASSERT_TRUE(output.ok) << output.log;
  EXPECT_TRUE(
      output.image.starts_with("\x7f"
                               "ELF"));
  EXPECT_THAT(output.image, HasSubstr(".text.plain"));
  const ResourceUse use = parse_resource_use(output.log);
  EXPECT_GT(use.registers, 0) << output.log;
  EXPECT_LE(use.registers, 16) << output.log;
  EXPECT_EQ(use.spill_bytes, 0);
  EXPECT_EQ(use.stack_bytes, 0);
}

TEST_P(NvrtcWheel, LoadsItsOwnBuiltins) {
  ASSERT_TRUE(nvrtc_->compile(request("plain", kPlain)).ok);
  // The kernel's own list of what is mapped: the builtins of this wheel, and no other of its major
  // version.
  std::ifstream maps("/proc/self/maps");
  const std::string directory = std::filesystem::path(nvrtc_->location()).parent_path().native();
  const std::string name = "libnvrtc-builtins.so." + std::to_string(GetParam()) + ".";
  bool mapped = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) == std::string::npos) continue;
    mapped = true;
    EXPECT_THAT(line, HasSubstr(directory));
  }
  EXPECT_TRUE(mapped);
}

TEST_P(NvrtcWheel, LeavesBuiltinsOfAnotherVersionAlone) {
  const support::TemporaryDirectory directory("fathom-test");
  const std::filesystem::path library = nvrtc_->location();
  for (const auto& item : std::filesystem::directory_iterator(library.parent_path()))
    std::filesystem::create_symlink(item.path(), directory.path() / item.path().filename());
  const std::string other = "libnvrtc-builtins.so." + std::to_string(GetParam()) + ".99";
  support::write_file_atomically(directory.path() / other, "");
  Nvrtc nvrtc(nvrtc_in(directory.path()).at(0));
  EXPECT_EQ(nvrtc.unusable(GetParam()), "");
  EXPECT_EQ(nvrtc.identity(), nvrtc_->identity());
  EXPECT_TRUE(nvrtc.compile(request("plain", kPlain)).ok);
}

TEST_P(NvrtcWheel, ReportsSpills) {
  const CompileOutput output = nvrtc_->compile(request("spilling", kSpilling));
  ASSERT_TRUE(output.ok) << output.log;
  const ResourceUse use = parse_resource_use(output.log);
  EXPECT_EQ(use.registers, 255);
  EXPECT_GT(use.spill_bytes, 0);
  EXPECT_GT(use.stack_bytes, 0);
}

TEST_P(NvrtcWheel, GivesPtxForAVirtualArchitecture) {
  CompileRequest wanted = request("plain", kPlain);
  wanted.architecture = "compute_90a";
  const CompileOutput output = nvrtc_->compile(wanted);
  ASSERT_TRUE(output.ok) << output.log;
  EXPECT_THAT(output.image, AllOf(HasSubstr(".target sm_90a"), HasSubstr("st.global")));
}

TEST_P(NvrtcWheel, ARefusedSourceIsAnOutputNotAnError) {
  const CompileOutput output = nvrtc_->compile(request("bad", "static_assert(1 == 2, \"why\");"));
  EXPECT_FALSE(output.ok);
  EXPECT_THAT(output.log, AllOf(HasSubstr("bad.cu(1)"), HasSubstr("why")));
  EXPECT_THAT(output.command, HasSubstr("--gpu-architecture=sm_90a --std=c++20"));
}

TEST_P(NvrtcWheel, IncludesNothingFromTheMachine) {
  const CompileOutput output = nvrtc_->compile(request("bad", "#include <cuda_fp8.h>\n"));
  EXPECT_FALSE(output.ok);
  EXPECT_THAT(output.log, HasSubstr("cuda_fp8.h"));
}

TEST_P(NvrtcWheel, ABadOptionIsNamed) {
  const std::vector<std::string> options = {"--no-such-option"};
  CompileRequest wanted = request("plain", kPlain);
  wanted.options = options;
  const CompileOutput output = nvrtc_->compile(wanted);
  EXPECT_FALSE(output.ok);
  EXPECT_THAT(output.log, HasSubstr("no-such-option"));
}

TEST_P(NvrtcWheel, SameInputSameBytes) {
  const std::string first = nvrtc_->compile(request("plain", kPlain)).image;
  EXPECT_EQ(nvrtc_->compile(request("plain", kPlain)).image, first);
}

TEST_P(NvrtcWheel, ThreadsCompileAtOnce) {
  std::vector<CompileOutput> outputs(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      threads.emplace_back([&, i] {
        outputs[i] = nvrtc_->compile(request("plain", i % 2 == 0 ? kPlain : kSpilling));
      });
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    ASSERT_TRUE(outputs[i].ok) << outputs[i].log;
    EXPECT_EQ(outputs[i].image, outputs[i % 2].image);
  }
}

TEST_P(NvrtcWheel, TheBuilderUsesIt) {
  const support::TemporaryDirectory temporary("fathom-test");
  BuilderOptions options;
  options.compiler = test::wheel_settings();
  options.driver_major = GetParam();
  options.cache_directory = temporary.path();
  Builder builder(options, kHeaders);
  const auto kernel = builder.build("plain", kPlain);
  EXPECT_EQ(kernel->origin, Origin::kCompiled);
  EXPECT_THAT(kernel->compiler, HasSubstr("nvrtc " + std::to_string(GetParam()) + "."));
  EXPECT_EQ(Builder(options, kHeaders).build("plain", kPlain)->image, kernel->image);
  EXPECT_EQ(Builder(options, kHeaders).build("plain", kPlain)->origin, Origin::kUserCache);
}

INSTANTIATE_TEST_SUITE_P(Wheels, NvrtcWheel, ::testing::Values(12, 13),
                         [](const auto& info) { return "Cuda" + std::to_string(info.param); });

}  // namespace
}  // namespace fathom::jit
