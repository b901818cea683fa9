// Keys and the file format of cache entries.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "jit/cache_entry.hpp"

namespace fathom::jit {
namespace {

const std::vector<embedded::DeviceSource> kHeaders = {{"a/one.cuh", "int one;\n"},
                                                      {"a/two.cuh", "int two;\n"}};
const std::vector<std::string> kOptions = {"--std=c++20", "-default-device"};

CompileRequest make_request() {
  return {"kernel_a", "#include \"a/one.cuh\"\n", kHeaders, "sm_90a", kOptions};
}

CacheKey key_of(const CompileRequest& request, std::string_view compiler = "nvrtc 13.0 abc") {
  return make_cache_key(request, digest_headers(request.headers), compiler);
}

CacheEntry make_entry() {
  CacheEntry entry;
  entry.key = key_of(make_request());
  entry.name = "kernel_a";
  entry.architecture = "sm_90a";
  entry.compiler = "nvrtc 13.0 abc";
  entry.cuda_major = 13;
  entry.use = {168, 0, 16};
  entry.image = std::string(
      "\x7f"
      "ELF\0\n=\xff",
      8);
  return entry;
}

TEST(JitCacheEntry, ComesBackAsItWas) {
  const CacheEntry entry = make_entry();
  const DecodedEntry decoded = decode_entry(encode_entry(entry));
  ASSERT_TRUE(decoded.entry) << decoded.reason;
  EXPECT_EQ(decoded.entry->key, entry.key);
  EXPECT_EQ(decoded.entry->name, entry.name);
  EXPECT_EQ(decoded.entry->architecture, entry.architecture);
  EXPECT_EQ(decoded.entry->compiler, entry.compiler);
  EXPECT_EQ(decoded.entry->cuda_major, 13);
  EXPECT_EQ(decoded.entry->use.registers, 168);
  EXPECT_EQ(decoded.entry->use.stack_bytes, 16);
  EXPECT_EQ(decoded.entry->image, entry.image);
}

TEST(JitCacheEntry, EveryFlippedBitIsNoticed) {
  const std::string good = encode_entry(make_entry());
  for (std::size_t byte = 0; byte < good.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[byte] = static_cast<char>(bad[byte] ^ (1 << bit));
      const DecodedEntry decoded = decode_entry(bad);
      EXPECT_FALSE(decoded.entry) << "bit " << bit << " of byte " << byte;
      EXPECT_FALSE(decoded.reason.empty());
    }
  }
}

TEST(JitCacheEntry, EveryOtherLengthIsNoticed) {
  const std::string good = encode_entry(make_entry());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_entry(std::string_view(good).substr(0, size)).entry) << size << " bytes";
  }
  EXPECT_FALSE(decode_entry(good + '\0').entry);
  EXPECT_FALSE(decode_entry(good + good).entry);
  EXPECT_FALSE(decode_entry(std::string(good.size(), '\0')).entry);
}

TEST(JitCacheKey, ChangesWhenAnyInputDoes) {
  const CompileRequest base = make_request();
  const CacheKey key = key_of(base);
  EXPECT_EQ(key, key_of(base));

  std::vector<std::string> texts = {key.text};
  const auto expect_new = [&](const CompileRequest& request, const char* what) {
    const std::string text = key_of(request).text;
    for (const std::string& other : texts) EXPECT_NE(text, other) << what;
    texts.push_back(text);
  };
  CompileRequest changed = base;
  changed.name = "kernel_b";
  expect_new(changed, "name");
  changed = base;
  changed.source = "#include \"a/one.cuh\"\n ";
  expect_new(changed, "source");
  changed = base;
  changed.architecture = "sm_90";
  expect_new(changed, "architecture");
  changed = base;
  const std::vector<std::string> more = {"--std=c++20", "-default-device", "-lineinfo"};
  changed.options = more;
  expect_new(changed, "an option more");
  const std::vector<std::string> joined = {"--std=c++20-default-device"};
  changed.options = joined;
  expect_new(changed, "two options as one");
  changed = base;
  const std::vector<embedded::DeviceSource> renamed = {{"a/one.cu", "hint one;\n"}, kHeaders[1]};
  changed.headers = renamed;
  expect_new(changed, "a byte moved from a header's name to its text");
  const std::vector<embedded::DeviceSource> edited = {kHeaders[0], {"a/two.cuh", "int two ;\n"}};
  changed.headers = edited;
  expect_new(changed, "text of a header");
  changed.headers = std::span(kHeaders).first(1);
  expect_new(changed, "a header less");

  const CacheKey other_compiler = key_of(base, "nvrtc 13.0 abd");
  EXPECT_EQ(other_compiler.text, key.text);
  EXPECT_NE(other_compiler.compiler, key.compiler);
}

// A cache that was filled by one release must serve the next. When this fails because the key was
// changed on purpose, change kKeyVersion too and write the new value here.
TEST(JitCacheKey, IsTheSameInEveryBuild) {
  EXPECT_EQ(key_of(make_request()).file_name(),
            "5303c115b8161e21fc861b1c5ff15c25-251ee50570313856.kernel");
}

TEST(JitCompileLog, ReadsPtxasReport) {
  const ResourceUse use = parse_resource_use(
      "ptxas info    : 8 bytes gmem\n"
      "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
      "ptxas         .     1008 bytes stack frame, 1092 bytes spill stores, 1596 bytes spill "
      "loads\n"
      "ptxas info    : Used 168 registers, used 0 barriers, 1008 bytes cumulative stack size\n"
      "    16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 24 registers");
  EXPECT_EQ(use.registers, 168);
  EXPECT_EQ(use.spill_bytes, 1092 + 1596);
  EXPECT_EQ(use.stack_bytes, 1008);
  EXPECT_EQ(parse_resource_use("").registers, 0);
  EXPECT_EQ(parse_resource_use("Used registers\n bytes stack frame").stack_bytes, 0);
}

}  // namespace
}  // namespace fathom::jit
