// The fuzzers' functions on random changes of good inputs, for machines without libFuzzer.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "fuzz/parsers.hpp"
#include "support/scratch_directory.hpp"

namespace fathom {
namespace {

constexpr int kMutations = 20'000;  // about a second

std::vector<std::string> seeds_of(const std::string& name) {
  std::vector<std::string> seeds;
  for (const auto& file : std::filesystem::directory_iterator(
           std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/fuzz/corpus" / name)) {
    seeds.push_back(testing::ScratchDirectory::read(file.path()));
  }
  return seeds;
}

/// Pieces that mean something to a parser of JSON.
const std::vector<std::string> kPieces = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "\"",
                                          "-1",
                                          "1e99",
                                          "0.5",
                                          "null",
                                          "true",
                                          "18446744073709551616",
                                          "\\u0000",
                                          "\xff",
                                          std::string(1, '\0'),
                                          "\"shape\"",
                                          "\"data_offsets\"",
                                          "__metadata__",
                                          "\"alignment\":16"};

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t i = 0, changes = 1 + below(4); i < changes; ++i) change(text);
    return text;
  }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
  void change(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(16, text.size() - at) + 1);
    switch (below(5)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 3:
        text.replace(at, length, kPieces[below(kPieces.size())]);
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
    }
  }

  std::mt19937_64 random_;
};

void expect_sound(const std::string& name, const std::function<void(std::string_view)>& drive) {
  const std::vector<std::string> seeds = seeds_of(name);
  ASSERT_FALSE(seeds.empty());
  const std::uint64_t random_seed = 20251121;
  Mutator mutator(random_seed);
  for (const std::string& seed : seeds) EXPECT_NO_THROW(drive(seed)) << seed;
  for (int i = 0; i < kMutations; ++i) {
    const std::string input = mutator.mutate(seeds[mutator.below(seeds.size())]);
    try {
      drive(input);
    } catch (const std::exception& error) {
      FAIL() << error.what() << "; seed " << random_seed << ", input "
             << ::testing::PrintToString(input);
    }
  }
}

TEST(ParserMutation, SafetensorsHeader) {
  expect_sound("safetensors_header", testing::drive_safetensors_header);
}

TEST(ParserMutation, GroupsFile) {
  expect_sound("groups_file", testing::drive_groups_file);
}

}  // namespace
}  // namespace fathom
