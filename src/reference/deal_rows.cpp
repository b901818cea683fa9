// Group metadata from a seed, in each of its four forms. Reference layer.
#include <algorithm>
#include <utility>

#include "reference/problem_data.hpp"
#include "support/random.hpp"

namespace fathom::reference {
namespace {

/// Rows of each group: the gaps between random cuts, so that empty groups occur.
std::vector<std::int64_t> random_counts(std::int64_t rows, std::int64_t groups,
                                        support::Random& random) {
  std::vector<std::int64_t> cuts{0, rows};
  for (std::int64_t g = 1; g < groups; ++g) cuts.push_back(random.integer(0, rows));
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::int64_t> counts;
  for (std::size_t i = 1; i < cuts.size(); ++i) counts.push_back(cuts[i] - cuts[i - 1]);
  return counts;
}

DealtRows deal_offsets(const ProblemSpec& spec, const std::vector<std::int64_t>& counts) {
  DealtRows dealt{{0}, spec.m + spec.spare_rows};
  for (const std::int64_t count : counts) dealt.index.push_back(dealt.index.back() + count);
  return dealt;
}

/// Aligned blocks of all groups in random order, each filled from its start with rows of one group.
DealtRows deal_row_group(const ProblemSpec& spec, const std::vector<std::int64_t>& counts,
                         support::Random& random) {
  std::vector<std::pair<std::int64_t, std::int64_t>> blocks;  // group, valid rows
  for (std::size_t g = 0; g < counts.size(); ++g) {
    for (std::int64_t row = 0; row < counts[g]; row += spec.alignment) {
      blocks.emplace_back(static_cast<std::int64_t>(g), std::min(spec.alignment, counts[g] - row));
    }
  }
  if (spec.spare_rows > 0) blocks.emplace_back(-1, 0);
  for (std::size_t i = blocks.size(); i > 1; --i) {
    std::swap(
        blocks[i - 1],
        blocks[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i) - 1))]);
  }
  DealtRows dealt;
  for (const auto& [group, valid] : blocks) {
    dealt.index.insert(dealt.index.end(), static_cast<std::size_t>(valid), group);
    dealt.index.insert(dealt.index.end(), static_cast<std::size_t>(spec.alignment - valid), -1);
  }
  dealt.index.insert(dealt.index.end(), static_cast<std::size_t>(spec.spare_rows), -1);
  dealt.m = static_cast<std::int64_t>(dealt.index.size());
  return dealt;
}

DealtRows deal_group_end(const ProblemSpec& spec, const std::vector<std::int64_t>& counts) {
  DealtRows dealt;
  std::int64_t end = 0;
  for (const std::int64_t count : counts) {
    end = (end + spec.alignment - 1) / spec.alignment * spec.alignment + count;
    dealt.index.push_back(end);
  }
  dealt.m = end + spec.spare_rows;
  return dealt;
}

std::int64_t rows_implied_by_index(const ProblemSpec& spec) {
  switch (spec.form) {
    case Groups::Form::kRowGroup:
      return static_cast<std::int64_t>(spec.index.size());
    case Groups::Form::kOffsets:
    case Groups::Form::kGroupEnd:
      return std::max<std::int64_t>(0, *std::max_element(spec.index.begin(), spec.index.end())) +
             spec.spare_rows;
    default:
      return spec.m;
  }
}

}  // namespace

DealtRows deal_rows(const ProblemSpec& spec) {
  if (!spec.index.empty()) return {spec.index, rows_implied_by_index(spec)};
  support::Random random(spec.seed ^ 0x726f7773u);  // a stream of its own: "rows"
  switch (spec.form) {
    case Groups::Form::kNone:
      return {{}, spec.m};
    case Groups::Form::kOffsets:
      return deal_offsets(spec, random_counts(spec.m, spec.num_groups, random));
    case Groups::Form::kRowGroup:
      return deal_row_group(spec, random_counts(spec.m, spec.num_groups, random), random);
    case Groups::Form::kGroupEnd:
      return deal_group_end(spec, random_counts(spec.m, spec.num_groups, random));
    case Groups::Form::kMasked:
      break;
  }
  DealtRows dealt{{}, spec.m};
  for (std::int64_t g = 0; g < spec.num_groups; ++g)
    dealt.index.push_back(random.integer(0, spec.m));
  return dealt;
}

}  // namespace fathom::reference
