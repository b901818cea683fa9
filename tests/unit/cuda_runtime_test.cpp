// From a context's options to the builder of its kernels.
#include "api/cuda_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fathom::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(BuilderOptions, AreTheContextsOptions) {
  ContextOptions options;
  options.cache_dir = "/cache";
  options.system_cache_dir = "/system";
  options.cache_limit_mib = 3;
  options.compiler = "nvcc";
  options.nvrtc = "/nvrtc";
  options.site_packages = "/one::/two";
  const jit::BuilderOptions builder = builder_options(Context(options), 12);
  EXPECT_EQ(builder.cache_directory, "/cache");
  EXPECT_EQ(builder.system_cache_directory, "/system");
  EXPECT_EQ(builder.cache_limit_bytes, 3 << 20);
  EXPECT_EQ(builder.compiler.compiler, "nvcc");
  EXPECT_EQ(builder.compiler.nvrtc, "/nvrtc");
  EXPECT_THAT(builder.compiler.site_packages, ElementsAre("/one", "/two"));
  EXPECT_EQ(builder.driver_major, 12);
  EXPECT_THAT(builder.options, Not(Contains("-lineinfo")));
  options.line_info = true;
  EXPECT_THAT(builder_options(Context(options), 12).options, Contains("-lineinfo"));
}

TEST(BuilderOptions, WarnThroughTheContextsLog) {
  std::vector<std::string> messages;
  ContextOptions options;
  options.cache_dir = "/proc/self/fathom";
  options.compiler = "none";
  options.log_level = LogLevel::kWarning;
  options.log = [&](LogLevel, std::string_view message) { messages.emplace_back(message); };
  const Context context(options);
  jit::Builder builder(builder_options(context, 0), embedded::device_sources());
  jit::CacheEntry entry;
  entry.key = {"text", "compiler"};
  EXPECT_FALSE(builder.cache().store(entry));
  EXPECT_THAT(messages, ElementsAre(HasSubstr("/proc/self/fathom")));
}

}  // namespace
}  // namespace fathom::api
