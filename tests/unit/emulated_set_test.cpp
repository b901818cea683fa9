// The kernels that the emulator carries: each of the closed set, and at least one of each family.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <tuple>

#include "plan/gemm_configs.hpp"
#include "plan/quantize_configs.hpp"

namespace fathom::test {
namespace {

using device::gemm::Output;
using device::gemm::ScaleB;
using device::gemm::Skeleton;

/// Tag without the ring's depth, as emulator/kernels/configs.txt names a kernel.
std::string short_tag(const plan::GemmConfig& config) {
  return std::regex_replace(plan::gemm_tag(config), std::regex("_s[0-9]+"), "");
}

std::set<std::string> listed_tags() {
  std::ifstream file(FATHOM_SOURCE_DIR "/emulator/kernels/configs.txt");
  std::set<std::string> tags;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#') tags.insert(line);
  return tags;
}

/// Role split, cluster, output, scale form; groups, and which operand is on wgmma's 64-row side.
using Family = std::tuple<Skeleton, std::string, Output, ScaleB, bool, bool>;
Family family_of(const plan::GemmConfig& c) {
  const std::string cluster = c.cluster_m == 2   ? "pair along m"
                              : c.cluster_n == 2 ? "pair along n"
                              : c.split_k > 1    ? "parts of k"
                                                 : "alone";
  return {c.skeleton, cluster, c.output, c.scale_b, c.grouped, c.swap_operands};
}

TEST(EmulatedSet, HoldsOneOfEachFamily) {
  const std::set<std::string> tags = listed_tags();
  std::set<Family> families;
  std::set<std::string> known;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    known.insert(short_tag(config));
    if (tags.contains(short_tag(config))) families.insert(family_of(config));
  }
  for (const plan::GemmConfig& config : plan::gemm_configs())
    EXPECT_TRUE(families.contains(family_of(config)))
        << "no kernel like " << plan::gemm_tag(config) << " in emulator/kernels/configs.txt";
  for (const plan::QuantizeConfig& config : plan::quantize_configs())
    known.insert(plan::quantize_tag(config));
  for (const std::string& tag : tags)
    EXPECT_TRUE(known.contains(tag)) << tag << " of configs.txt is no kernel of the closed set";
}

TEST(EmulatedSet, TagsWithoutDepthsAreUnique) {
  std::set<std::string> tags;
  for (const plan::GemmConfig& config : plan::gemm_configs())
    EXPECT_TRUE(tags.insert(short_tag(config)).second) << short_tag(config);
}

}  // namespace
}  // namespace fathom::test
