// See grouped_shapes.hpp. The published times are DeepGEMM 2.6.1's, see published.hpp.
#include "grouped_shapes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "support/random.hpp"

namespace fathom::bench {
namespace {

using Form = Groups::Form;

struct PublishedRow {
  std::int64_t groups, rows;
  double us_4096_7168, us_7168_2048;
};
constexpr PublishedRow kContiguous[] = {{4, 8192, 1342, 698}, {8, 4096, 1327, 698.5}};
constexpr PublishedRow kMasked[] = {
    {1, 1024, 46.37, 31.42}, {2, 512, 48.10, 33.15}, {4, 256, 56.48, 35.58}};
constexpr PublishedRow kMaskedDecode[] = {
    {32, 192, 352.9, 197.5}, {32, 20, 242.2, 133.3}, {6, 20, 55.65, 32.32}, {9, 64, 77.5, 42.4}};

template <typename Rows>
std::vector<GroupedShape> published(const Rows& rows, Form form, const char* kind) {
  std::vector<GroupedShape> shapes;
  for (const PublishedRow& row : rows) {
    for (const bool first : {true, false}) {
      GroupedShape shape;
      shape.name = fmt::format("{} {} x {}", kind, row.groups, row.rows);
      shape.form = form;
      shape.counts.assign(static_cast<std::size_t>(row.groups), row.rows);
      shape.n = first ? 4096 : 7168;
      shape.k = first ? 7168 : 2048;
      shape.deep_gemm_us = first ? row.us_4096_7168 : row.us_7168_2048;
      if (form == Form::kMasked) {
        shape.max_m = std::max<std::int64_t>(row.rows, 256);
        shape.expected_m = row.rows;
      }
      shapes.push_back(shape);
    }
  }
  return shapes;
}

/// `tokens` tokens choose `chosen` experts each; skewed: expert e is as likely as 1 / (e + 4).
std::vector<std::int64_t> route(std::int64_t tokens, std::int64_t experts, std::int64_t chosen,
                                bool skewed) {
  support::Random random(7);
  std::vector<double> share;
  for (std::int64_t e = 0; e < experts; ++e)
    share.push_back((e == 0 ? 0 : share.back()) +
                    (skewed ? 1.0 / static_cast<double>(e + 4) : 1.0));
  std::vector<std::int64_t> counts(static_cast<std::size_t>(experts));
  for (std::int64_t i = 0; i < tokens * chosen; ++i) {
    const auto at = std::lower_bound(share.begin(), share.end(), random.uniform() * share.back());
    ++counts[static_cast<std::size_t>(at - share.begin())];
  }
  return counts;
}

std::vector<GroupedShape> routing() {
  struct Model {
    const char* name;
    std::int64_t experts, n, k;
  };
  constexpr Model kModels[] = {{"DeepSeek-V3", 256, 4096, 7168},
                               {"DeepSeek-V3", 256, 7168, 2048},
                               {"Qwen3-30B-A3B", 128, 1536, 2048},
                               {"Qwen3-30B-A3B", 128, 768, 2048}};
  std::vector<GroupedShape> shapes;
  for (const Model& model : kModels) {
    for (const std::int64_t tokens : {1, 64, 1024, 16384}) {
      for (const bool skewed : {false, true}) {
        GroupedShape shape;
        shape.name = fmt::format("{} {} tokens{}", model.name, tokens, skewed ? ", skewed" : "");
        shape.form = Form::kOffsets;
        shape.counts = route(tokens, model.experts, 8, skewed);
        shape.n = model.n;
        shape.k = model.k;
        shape.against_padding = true;
        shapes.push_back(shape);
      }
    }
  }
  return shapes;
}

std::vector<GroupedShape> unaligned() {
  struct Row {
    std::int64_t groups, rows;
  };
  std::vector<GroupedShape> shapes;
  for (const Row& row : {Row{4, 8187}, Row{8, 4090}, Row{32, 187}, Row{32, 1019}, Row{64, 59}}) {
    GroupedShape shape;
    shape.name = fmt::format("unaligned {} x {}", row.groups, row.rows);
    shape.form = Form::kOffsets;
    shape.counts.assign(static_cast<std::size_t>(row.groups), row.rows);
    shape.n = 4096;
    shape.k = 7168;
    shape.against_aligned = true;
    shape.against_padding = true;
    shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace

std::int64_t GroupedShape::valid_rows() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::vector<GroupedShape> grouped_suite(const std::string& name) {
  if (name == "contiguous") return published(kContiguous, Form::kRowGroup, "contiguous");
  if (name == "masked") return published(kMasked, Form::kMasked, "masked");
  if (name == "masked_decode") return published(kMaskedDecode, Form::kMasked, "masked");
  if (name == "routing") return routing();
  if (name == "unaligned") return unaligned();
  return {};
}

double grouped_score(const GroupedShape& shape, double ours_us, double yardstick_us) {
  constexpr double kPublishedYardstick = 164.6;
  return yardstick_us / ours_us / (kPublishedYardstick / shape.deep_gemm_us);
}

}  // namespace fathom::bench
