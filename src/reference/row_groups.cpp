// Which group each row of D belongs to: the four forms of group metadata and their rules, in one
// place for the CPU backends. Reference layer.
#include <fmt/format.h>

#include <fathom/error.hpp>

#include "reference/gemm.hpp"
#include "support/tensor_access.hpp"

namespace fathom::reference {
namespace {

using Form = Groups::Form;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorCode::kInvalidArgument,
              "grouped_gemm: " + fmt::format(text, std::forward<Args>(args)...));
}

std::int64_t entry(const Groups& groups, std::int64_t i) {
  return support::load_integer(groups.index, i * groups.index.stride[0]);
}

void assign(std::vector<std::int32_t>& rows, std::int64_t begin, std::int64_t end,
            std::int64_t group) {
  std::fill(rows.begin() + begin, rows.begin() + end, static_cast<std::int32_t>(group));
}

void from_offsets(const plan::GemmProblem& p, const Groups& groups,
                  std::vector<std::int32_t>& rows) {
  for (std::int64_t g = 0; g <= p.num_groups; ++g) {
    const std::int64_t offset = entry(groups, g);
    if (offset < 0) refuse("offsets[{}] is {}; offsets count rows from 0", g, offset);
    if (offset > p.m) {
      refuse("offsets[{}] is {}, but a has {} rows; every offset must be at most that", g, offset,
             p.m);
    }
    if (g > 0 && offset < entry(groups, g - 1)) {
      refuse(
          "offsets[{}] is {}, less than offsets[{}] = {}; offsets must ascend (an empty group "
          "repeats its start)",
          g, offset, g - 1, entry(groups, g - 1));
    }
  }
  for (std::int64_t g = 0; g < p.num_groups; ++g)
    assign(rows, entry(groups, g), entry(groups, g + 1), g);
}

void from_row_group(const plan::GemmProblem& p, const Groups& groups,
                    std::vector<std::int32_t>& rows) {
  for (std::int64_t row = 0; row < p.m; ++row) {
    const std::int64_t group = entry(groups, row);
    if (group < -1 || group >= p.num_groups) {
      refuse(
          "row_group[{}] is {}; with {} groups it must be 0 to {}, or -1 for a row that belongs to "
          "nobody",
          row, group, p.num_groups, p.num_groups - 1);
    }
    const std::int64_t before = row % p.alignment == 0 ? group : entry(groups, row - 1);
    if (group != before && group != -1) {
      refuse(
          "row_group[{}] is {} and row_group[{}] is {}, inside one block of {} rows; within a "
          "block all rows must "
          "be of one group, and rows of -1 may only stand at its end",
          row, group, row - 1, before, p.alignment);
    }
    rows[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(group);
  }
}

void from_group_end(const plan::GemmProblem& p, const Groups& groups,
                    std::vector<std::int32_t>& rows) {
  std::int64_t previous_end = 0;
  for (std::int64_t g = 0; g < p.num_groups; ++g) {
    const std::int64_t begin = (previous_end + p.alignment - 1) / p.alignment * p.alignment;
    const std::int64_t end = entry(groups, g);
    const bool empty_at_the_end = end == previous_end && g > 0;
    if (end < begin && !empty_at_the_end) {
      refuse(
          "group_end[{}] is {}, but the group starts at row {} (the end before it, {}, rounded up "
          "to {}); groups "
          "must not overlap, and an empty group ends where it starts",
          g, end, begin, previous_end, p.alignment);
    }
    if (end > p.m) {
      refuse("group_end[{}] is {}, but a has {} rows; every end must be at most that", g, end, p.m);
    }
    if (end > begin) assign(rows, begin, end, g);
    previous_end = end;
  }
}

void from_masked(const plan::GemmProblem& p, const Groups& groups,
                 std::vector<std::int32_t>& rows) {
  for (std::int64_t g = 0; g < p.num_groups; ++g) {
    const std::int64_t count = entry(groups, g);
    if (count < 0 || count > p.m) {
      refuse("rows[{}] is {}; a holds {} rows for each group, so it must be 0 to {}", g, count, p.m,
             p.m);
    }
    assign(rows, g * p.m, g * p.m + count, g);
  }
}

}  // namespace

std::vector<std::int32_t> row_groups(const plan::GemmProblem& problem, const Groups& groups) {
  const std::int64_t planes = problem.form == Form::kMasked ? problem.num_groups : 1;
  const std::int32_t initial = problem.form == Form::kNone ? 0 : -1;
  std::vector<std::int32_t> rows(static_cast<std::size_t>(planes * problem.m), initial);
  switch (problem.form) {
    case Form::kNone:
      break;
    case Form::kOffsets:
      from_offsets(problem, groups, rows);
      break;
    case Form::kRowGroup:
      from_row_group(problem, groups, rows);
      break;
    case Form::kGroupEnd:
      from_group_end(problem, groups, rows);
      break;
    case Form::kMasked:
      from_masked(problem, groups, rows);
      break;
  }
  return rows;
}

}  // namespace fathom::reference
