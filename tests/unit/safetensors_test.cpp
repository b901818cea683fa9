// The safetensors parser against everything that the format forbids, and files written and read
// back.
#include "safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fathom/error.hpp>

#include "support/scratch_directory.hpp"

namespace fathom::cli {
namespace {

using ::testing::HasSubstr;

SafetensorsHeader parse(const std::string& json, std::int64_t data_bytes) {
  return parse_safetensors_header(json, data_bytes, "file");
}

/// The message of the refusal, which must be an invalid argument.
std::string refusal(const std::string& json, std::int64_t data_bytes) {
  try {
    parse(json, data_bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << json.substr(0, 200);
  return "";
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string file_bytes(const std::string& json, const std::string& data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((json.size() >> (8 * i)) & 0xff);
  return bytes + json + data;
}

TEST(Safetensors, ReadsNamesShapesOffsetsAndMetadata) {
  const SafetensorsHeader header = parse(
      R"({"__metadata__":{"z":"1","a":"2"},"y":)" + entry("BF16", "[2,3]", "[4,16]") + R"(,"x":)" +
          entry("F32", "[]", "[0,4]") + R"(,"none":)" + entry("F32", "[0,7]", "[4,4]") + "}   ",
      16);
  ASSERT_EQ(header.tensors.size(), 3U);
  EXPECT_EQ(header.tensors[0].name, "x");
  EXPECT_EQ(header.tensors[1].name, "none");
  EXPECT_EQ(header.tensors[2].name, "y");
  EXPECT_EQ(header.tensors[2].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(header.find("y")->begin, 4);
  EXPECT_EQ(header.find("nothing"), nullptr);
  const std::vector<std::pair<std::string, std::string>> metadata = {{"z", "1"}, {"a", "2"}};
  EXPECT_EQ(header.metadata, metadata);
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
}

TEST(Safetensors, RefusesOffsetsThatLie) {
  const auto x = [](const std::string& offsets) {
    return R"({"x":)" + entry("F32", "[2]", offsets) + "}";
  };
  EXPECT_THAT(refusal(x("[0,8]"), 4), HasSubstr("truncated"));
  EXPECT_THAT(refusal(x("[8,0]"), 8), HasSubstr("data_offsets [8, 0]"));
  EXPECT_THAT(refusal(x("[0,4]"), 4), HasSubstr("needs 8 bytes"));
  EXPECT_THAT(refusal(x("[4,12]"), 12), HasSubstr("holes"));
  EXPECT_THAT(refusal(x("[0,8]"), 12), HasSubstr("both must be equal"));
  EXPECT_THAT(refusal(x("[0]"), 8), HasSubstr("needs 2"));
  EXPECT_THAT(refusal(x("[0,4,8]"), 8), HasSubstr("needs 2"));
  EXPECT_THAT(refusal(x("[-1,7]"), 8), HasSubstr("holds -1"));
  EXPECT_THAT(refusal(x("[0,9223372036854775808]"), 8), HasSubstr("2^63"));
  EXPECT_THAT(refusal(x("[0,18446744073709551624]"), 8), HasSubstr("whole numbers"));
  EXPECT_THAT(refusal(R"({"x":)" + entry("F32", "[2]", "[0,8]") + R"(,"y":)" +
                          entry("F32", "[2]", "[4,12]") + "}",
                      12),
              HasSubstr("overlap"));
}

TEST(Safetensors, RefusesShapesAndTypesThatCannotBe) {
  const auto x = [](const std::string& dtype, const std::string& shape) {
    return R"({"x":)" + entry(dtype, shape, "[0,8]") + "}";
  };
  EXPECT_THAT(refusal(x("F33", "[2]"), 8), HasSubstr("dtype \"F33\" does not exist"));
  EXPECT_THAT(refusal(x("f32", "[2]"), 8), HasSubstr("does not exist"));
  EXPECT_THAT(refusal(x("F32", "[-2]"), 8), HasSubstr("holds -2"));
  EXPECT_THAT(refusal(x("F32", "[2.0]"), 8), HasSubstr("2.0"));
  EXPECT_THAT(refusal(x("F32", "[4294967296,4294967296]"), 8), HasSubstr("overflows"));
  EXPECT_THAT(refusal(x("F32", "[[2]]"), 8), HasSubstr("an array"));
  EXPECT_THAT(refusal(x("F32", "\"2\""), 8), HasSubstr("a string"));
  EXPECT_THAT(refusal(x("F4", "[15]"), 8), HasSubstr("whole number of bytes"));
}

TEST(Safetensors, RefusesHeadersThatAreNoHeaders) {
  EXPECT_THAT(refusal("", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(refusal("[]", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(refusal("\xef\xbb\xbf{}", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(refusal("{", 0), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal("{}x", 0), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal(std::string("{}\0", 3), 0), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal("{\"\xff\":1}", 0), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal(R"({"x":1})", 0), HasSubstr("a number"));
  EXPECT_THAT(refusal(R"({"x":null})", 0), HasSubstr("null"));
  EXPECT_THAT(refusal(R"({"x":{"dtype":"F32","shape":[0]}})", 0), HasSubstr("lacks data_offsets"));
  EXPECT_THAT(refusal(R"({"x":{"dtype":"F32","more":1}})", 0), HasSubstr("field \"more\""));
  EXPECT_THAT(refusal(R"({"__metadata__":{"x":1}})", 0), HasSubstr("must be strings"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"x":{}}})", 0), HasSubstr("must be strings"));
}

TEST(Safetensors, RefusesWhatStandsTwice) {
  const std::string x = R"("x":)" + entry("F32", "[0]", "[0,0]");
  EXPECT_THAT(refusal("{" + x + "," + x + "}", 0), HasSubstr("twice"));
  // The same name, once written with an escape.
  EXPECT_THAT(refusal("{" + x + R"(,"\u0078":)" + entry("F32", "[0]", "[0,0]") + "}", 0),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"x":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":"1","k":"2"}})", 0), HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{},"__metadata__":{}})", 0), HasSubstr("twice"));
}

TEST(Safetensors, DeepNestingEndsAtTheFirstLevelTooMany) {
  const std::string arrays(1'000'000, '[');
  EXPECT_THAT(refusal(R"({"x":)" + arrays, 0), HasSubstr("an array"));
  EXPECT_THAT(refusal(R"({"x":{"shape":)" + arrays, 0), HasSubstr("an array"));
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += R"({"x":)";
  EXPECT_THAT(refusal(objects, 0), HasSubstr("field \"x\""));
  EXPECT_THAT(refusal(R"({"__metadata__":)" + objects, 0), HasSubstr("an object"));
}

TEST(Safetensors, FileThatIsTruncatedOrNoneOfTheFormatIsRefusedAtOnce) {
  const testing::ScratchDirectory scratch;
  const auto open = [&](const std::string& bytes) {
    const std::string path = scratch.write("x.safetensors", bytes);
    try {
      const SafetensorsReader reader(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::string whole =
      file_bytes(R"({"x":)" + entry("F32", "[2]", "[0,8]") + "}", std::string(8, 'd'));
  EXPECT_EQ(open(whole), "accepted");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(open(whole.substr(0, size)), "accepted") << size;
  }
  EXPECT_THAT(open(whole + "more"), HasSubstr("both must be equal"));
  EXPECT_THAT(open(std::string(8, '\xff') + "{}"), HasSubstr("allows 100000000"));
  EXPECT_THAT(open(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + "{}"),
              HasSubstr("allows 100000000"));
}

TEST(Safetensors, FileThatIsMissingIsAnIoError) {
  const testing::ScratchDirectory scratch;
  for (const std::string& path : {scratch.file("none"), scratch.file("none/x"), scratch.file("")}) {
    try {
      const SafetensorsReader reader(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
    }
  }
}

TEST(Safetensors, UnknownNameListsNearOnes) {
  const testing::ScratchDirectory scratch;
  SafetensorsWriter writer(scratch.file("x"),
                           {{.name = "layers.0.weight", .dtype = "F32", .shape = {0}},
                            {.name = "layers.0.bias", .dtype = "F32", .shape = {0}}},
                           {});
  writer.commit();
  const SafetensorsReader reader(scratch.file("x"));
  try {
    reader.at("layers.0.weigth");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("nearest of its 2 names: \"layers.0.weight\""));
  }
}

TEST(Safetensors, WhatIsWrittenInPiecesIsReadBack) {
  const testing::ScratchDirectory scratch;
  const std::vector<std::pair<std::string, std::string>> metadata = {{"b", "\"ü\n"}, {"a", ""}};
  const std::string path = scratch.file("x.safetensors");
  {
    SafetensorsWriter writer(path,
                             {{.name = "codes", .dtype = "F8_E4M3", .shape = {3, 5}},
                              {.name = "scale", .dtype = "F32", .shape = {1}},
                              {.name = "empty", .dtype = "BF16", .shape = {4, 0}}},
                             metadata);
    writer.write(writer.at("codes"), 10, "klmno", 5);
    writer.write(writer.at("codes"), 0, "abcdefghij", 10);
    writer.write(writer.at("scale"), 0, "1234", 4);
    EXPECT_FALSE(std::filesystem::exists(path)) << "the file must not be there before commit";
    writer.commit();
  }
  EXPECT_EQ(scratch.count(), 1U) << "the temporary file must be gone";
  const SafetensorsReader reader(path);
  EXPECT_EQ(reader.header().metadata, metadata);
  EXPECT_EQ(reader.header().tensors[0].name, "scale") << "wider types come first";
  std::string data(15, ' ');
  reader.read(reader.at("codes"), 0, data.data(), 15);
  EXPECT_EQ(data, "abcdefghijklmno");
  EXPECT_THROW(reader.read(reader.at("codes"), 10, data.data(), 6), Error);
}

TEST(Safetensors, OutputThatIsNotCommittedLeavesNothing) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.write("x", "before");
  { const SafetensorsWriter writer(path, {{.name = "x", .dtype = "F32", .shape = {1}}}, {}); }
  EXPECT_EQ(testing::ScratchDirectory::read(path), "before");
  EXPECT_EQ(scratch.count(), 1U);
}

TEST(Safetensors, OutputPathThatCannotBeReplacedIsRefusedBeforeAnything) {
  const testing::ScratchDirectory scratch;
  const std::string file = scratch.write("file", "");
  std::filesystem::create_symlink(scratch.file("nowhere"), scratch.file("dangling"));
  for (const std::string& path :
       {std::string(), scratch.file(""), scratch.file("none/x"), file + "/x",
        std::string("/dev/null"), scratch.file("dangling"), std::string("/proc/x")}) {
    try {
      const OutputFile output(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
    }
  }
  EXPECT_EQ(scratch.count(), 1U);
}

TEST(Safetensors, OutputThroughASymbolicLinkReplacesWhatItNames) {
  const testing::ScratchDirectory scratch;
  const std::string target = scratch.write("target", "before");
  std::filesystem::create_symlink(target, scratch.file("link"));
  write_text_file(scratch.file("link"), "after");
  EXPECT_TRUE(std::filesystem::is_symlink(scratch.file("link")));
  EXPECT_EQ(testing::ScratchDirectory::read(target), "after");
}

}  // namespace
}  // namespace fathom::cli
