// Groups files: the four forms, and all that is none of them.
#include "groups_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fathom/error.hpp>

#include "support/scratch_directory.hpp"

namespace fathom::cli {
namespace {

using ::testing::HasSubstr;
using Indices = std::vector<std::int64_t>;

std::string refusal(const std::string& json) {
  try {
    parse_groups(json, "file");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("a groups file is one of"));
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << json.substr(0, 200);
  return "";
}

TEST(GroupsFile, ReadsTheFourForms) {
  const GroupsFile offsets = parse_groups(R"({"offsets": [0, 3, 3, 10]})", "file");
  EXPECT_EQ(offsets.form, Groups::Form::kOffsets);
  EXPECT_EQ(offsets.index, (Indices{0, 3, 3, 10}));

  const GroupsFile rows = parse_groups(R"({"alignment": 16, "row_group": [0, -1]})", "file");
  EXPECT_EQ(rows.form, Groups::Form::kRowGroup);
  EXPECT_EQ(rows.index, (Indices{0, -1}));
  EXPECT_EQ(rows.alignment, 16);

  const GroupsFile ends = parse_groups(R"({"group_end": [5]})", "file");
  EXPECT_EQ(ends.form, Groups::Form::kGroupEnd);
  EXPECT_EQ(ends.alignment, std::nullopt) << "the caller's default";

  const GroupsFile masked = parse_groups(R"({"rows": [0, 20], "max_m": 20})", "file");
  EXPECT_EQ(masked.form, Groups::Form::kMasked);
  EXPECT_EQ(masked.max_m, 20);
}

TEST(GroupsFile, RefusesWhatIsNoneOfThem) {
  EXPECT_THAT(refusal(""), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal("{}"), HasSubstr("names no form"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("a list"));
  EXPECT_THAT(refusal("3"), HasSubstr("the number 3"));
  EXPECT_THAT(refusal(R"({"rows": [1]})"), HasSubstr("go together"));
  EXPECT_THAT(refusal(R"({"offsets": [0], "max_m": 1})"), HasSubstr("go together"));
  EXPECT_THAT(refusal(R"({"offsets": [0], "alignment": 128})"), HasSubstr("belongs to"));
  EXPECT_THAT(refusal(R"({"offsets": [0], "group_end": [0]})"), HasSubstr("two forms"));
  EXPECT_THAT(refusal(R"({"offsets": [0], "offsets": [0]})"), HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"offset": [0]})"), HasSubstr("not known"));
  EXPECT_THAT(refusal(R"({"offsets": [0.5]})"), HasSubstr("no whole number"));
  EXPECT_THAT(refusal(R"({"offsets": ["0"]})"), HasSubstr("a string"));
  EXPECT_THAT(refusal(R"({"offsets": [18446744073709551615]})"), HasSubstr("2^63"));
  EXPECT_THAT(refusal(R"({"offsets": [null]})"), HasSubstr("null"));
  EXPECT_THAT(refusal(R"({"offsets": 3})"), HasSubstr("the number 3"));
  EXPECT_THAT(refusal(R"({"row_group": [0], "alignment": [128]})"), HasSubstr("a list"));
  EXPECT_THAT(refusal(R"({"offsets": {"x": 1}})"), HasSubstr("an object"));
  EXPECT_THAT(refusal(R"({"offsets": [0]} x)"), HasSubstr("no valid JSON"));
}

TEST(GroupsFile, DeepNestingEndsAtTheFirstLevelTooMany) {
  EXPECT_THAT(refusal(R"({"offsets": )" + std::string(1'000'000, '[')), HasSubstr("a list"));
}

TEST(GroupsFile, MissingFileAndDirectoryAreIoErrors) {
  const testing::ScratchDirectory scratch;
  for (const std::string& path : {scratch.file("none.json"), scratch.file("")}) {
    try {
      read_groups_file(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
    }
  }
  EXPECT_EQ(read_groups_file(scratch.write("g.json", R"({"offsets": [0, 1]})")).index.size(), 2U);
}

}  // namespace
}  // namespace fathom::cli
