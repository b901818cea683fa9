// Which rows belong to which group: the forms of group metadata, reduced to one ascending list of
// items. Contract layer: pure functions shared by the kernel (group_walk.cuh), `fathom schedule`
// and the tests; includes only base/.
//
// Metadata that breaks its rules gives wrong items, but always items inside the tensor that touch
// no row twice: whatever is read is clamped.
#pragma once

#include "base/math.hpp"
#include "base/types.hpp"

namespace fathom::device::gemm {

/// What GroupIndex::data holds.
///   kOffsets   [G + 1] int32 | int64   rows [data[g], data[g + 1]) are group g
///   kRowGroup  [m] int32               the group of each row, constant inside every block of
///                                      `alignment` rows, but for rows of -1 at its end; blocks in
///                                      any order
///   kGroupEnd  [G] int32               where group g ends; it starts where the one before ended,
///                                      rounded up to `alignment`
///   kMasked    [G] int32               how many of the max_m rows of group g count
enum class GroupForm : int32_t { kNone, kOffsets, kRowGroup, kGroupEnd, kMasked };

struct GroupIndex {
  const void* data = nullptr;
  GroupForm form = GroupForm::kNone;
  int32_t is_int64 = 0;  ///< kOffsets only
  int32_t num_groups = 0;
  int32_t rows = 0;       ///< m; kMasked: max_m
  int32_t alignment = 1;  ///< kRowGroup, kGroupEnd

  /// Numbers that a scan reads one after the other: blocks of kRowGroup, else groups.
  FATHOM_HD constexpr int32_t num_entries() const {
    return form == GroupForm::kRowGroup ? ceil_div(rows, alignment) : num_groups;
  }
  FATHOM_HD constexpr int32_t clamp_row(int64_t row) const {
    return static_cast<int32_t>(min_of<int64_t>(max_of<int64_t>(row, 0), rows));
  }
  /// The group that an entry of row_group names, -1 for nobody.
  FATHOM_HD constexpr int32_t owner(int32_t id) const {
    return id >= 0 && id < num_groups ? id : -1;
  }
};

/// Rows [row, row_end) of a group, without gaps; none when row_end <= row. Rows count from the
/// start of A, kMasked: from the start of the group.
struct Item {
  int32_t group = 0;
  int32_t row = 0;
  int32_t row_end = 0;
};

/// Group `g` of the forms that say where groups end. `end`: its entry, clamped. `before`: the
/// largest end of the groups before it (kOffsets: or data[0]), so that no row belongs to two.
FATHOM_HD constexpr Item ended_item(const GroupIndex& index, int32_t g, int32_t before,
                                    int32_t end) {
  if (index.form == GroupForm::kMasked) return {g, 0, end};
  if (index.form == GroupForm::kGroupEnd) before = round_up(before, index.alignment);
  return {g, before, end};
}

inline constexpr int kRowSamples = 16;  // the smallest alignment; loads in flight at once

/// Block `block` of kRowGroup: its rows before the first row of nobody, none when it has no owner.
/// read(row) = data[row]; at most three rounds of independent reads, one where the block is full or
/// empty.
template <typename Read>
FATHOM_HD constexpr Item owned_block(const GroupIndex& index, int32_t block, const Read& read) {
  const int32_t first = block * index.alignment;
  const int32_t last = min_of(first + index.alignment, index.rows) - 1;
  const int32_t id_of_first = read(first);
  const int32_t id_of_last = read(last);
  const int32_t group = index.owner(id_of_first);
  if (group < 0) return {-1, first, first};
  if (id_of_last >= 0) return {group, first, last + 1};
  const int32_t step = index.alignment / kRowSamples;
  int32_t coarse = first;  // the last sample of a row with an owner
  for (int i = 1; i < kRowSamples; ++i) {
    const int32_t row = first + i * step;
    if (row <= last && read(row) >= 0) coarse += step;
  }
  int32_t end = coarse + 1;
  for (int i = 1; i < kRowSamples; ++i) {
    const int32_t row = coarse + i;
    if (i < step && row <= last && read(row) >= 0) ++end;
  }
  return {group, first, end};
}

/// visit(item) for every item with rows, in ascending order of rows (kMasked: of groups). Reads
/// index.data, so it must lie where the caller can read it.
template <typename Visit>
FATHOM_HD constexpr void for_each_item(const GroupIndex& index, const Visit& visit) {
  const auto* narrow = static_cast<const int32_t*>(index.data);
  const auto* wide = static_cast<const int64_t*>(index.data);
  if (index.form == GroupForm::kRowGroup) {
    const auto read = [narrow](int32_t row) { return narrow[row]; };
    Item run{-1, 0, 0};  // neighbouring blocks of one group without a gap are one item
    for (int32_t block = 0; block < index.num_entries(); ++block) {
      const Item owned = owned_block(index, block, read);
      if (owned.group >= 0 && owned.group == run.group && owned.row == run.row_end) {
        run.row_end = owned.row_end;
        continue;
      }
      if (run.group >= 0) visit(run);
      run = owned;
    }
    if (run.group >= 0) visit(run);
    return;
  }
  const bool offsets = index.form == GroupForm::kOffsets;
  int32_t before = 0;
  if (offsets) before = index.clamp_row(index.is_int64 ? wide[0] : narrow[0]);
  for (int32_t g = 0; g < index.num_groups; ++g) {
    const int32_t at = offsets ? g + 1 : g;
    const int32_t end = index.clamp_row(index.is_int64 ? wide[at] : narrow[at]);
    const Item item = ended_item(index, g, before, end);
    if (item.row < item.row_end) visit(item);
    before = max_of(before, end);
  }
}

}  // namespace fathom::device::gemm
