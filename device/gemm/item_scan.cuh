// One warp's way through the items of a grouped problem: 32 entries of the metadata at a time, one
// a lane, from global memory to ranges of rows and running counts of units. Device layer of the
// gemm family; must not include another family. Gives the items of for_each_item (groups.hpp) in
// the same order.
//
//   entries   128  0  70  256 ...      one coalesced load, lanes together
//   units       4  0   4    4 ...      of each lane's item
//   through     4  4   8   12 ...      prefix sums by shuffles; unit 9 is in the first item whose
//                                      sum is above 9, which a ballot finds
#pragma once

#include "gemm/config.hpp"
#include "gemm/groups.hpp"
#include "gemm/params.hpp"
#include "gemm/schedule.hpp"
#include "ptx/global.cuh"
#include "ptx/thread.cuh"

namespace fathom::device::gemm {

/// Asks for metadata, all lanes of a warp: a window's in every CTA, together all that a scan may
/// need. Into L2 only, so that it may come before the wait for the grid that writes it.
FATHOM_DEVICE void prefetch_groups(const GroupIndex& index) {
  const auto* data = static_cast<const unsigned char*>(index.data);
  const int64_t i = ptx::cta_index() * 32 + ptx::lane_index();
  if (index.form == GroupForm::kRowGroup) {
    const int64_t first = i * index.alignment;
    if (first >= index.rows) return;
    ptx::prefetch_l2(data + first * 4);
    ptx::prefetch_l2(data + (min_of<int64_t>(first + index.alignment, index.rows) - 1) * 4);
  } else if (i * 128 < static_cast<int64_t>(index.num_groups) * (index.is_int64 != 0 ? 8 : 4)) {
    ptx::prefetch_l2(data + i * 128);
  }
}

/// for each unit in ascending order: if (scan.seek(unit)) ... scan.found, scan.within ...
/// All lanes of one warp, converged.
template <Config kConfig>
struct ItemScan {
  const Params& params;
  Item found = {};     // of the last seek
  int32_t within = 0;  // the unit's place among those of the item

  FATHOM_DEVICE explicit ItemScan(const Params& p) : params(p) {}

  /// False when there are fewer units. Units must not descend from call to call.
  FATHOM_DEVICE bool seek(int32_t unit) {
    while (unit >= base + total) {
      base += total;
      const bool in_gap = total == 0 && next_entry > 0 && open.group < 0;
      total = 0;
      if (in_gap && params.groups.form == GroupForm::kRowGroup) skip_gap();
      if (next_entry >= params.groups.num_entries()) return false;
      read_window();
    }
    const int32_t target = unit - base;
    const int lane = ptx::population_count(ptx::ballot(through <= target));
    found = {ptx::shuffle(item.group, lane), ptx::shuffle(item.row, lane),
             ptx::shuffle(item.row_end, lane)};
    within = target - ptx::shuffle(through - units, lane);
    return true;
  }

 private:
  int32_t next_entry = 0;  // first entry after the window
  int32_t base = 0;        // units before the window
  int32_t total = 0;       // units of the window
  Item item = {};          // this lane's
  int32_t units = 0;
  int32_t through = 0;  // units of the window up to this lane's item and with it
  // kRowGroup: the run that goes on into the next window, group -1 when none does. Else only
  // row_end counts: the largest end before the window.
  Item open = {-1, 0, 0};

  FATHOM_DEVICE void read_window() {
    const GroupIndex& index = params.groups;
    const int32_t entry = next_entry + ptx::lane_index();
    if (index.form == GroupForm::kRowGroup)
      read_blocks(index, entry);
    else
      read_ends(index, entry);
    constexpr Config kFolded = kConfig;
    units = item_schedule(kFolded, params.schedule, item).num_units();
    through = prefix<Sum>(units);
    total = ptx::shuffle(through, 31);
    next_entry += 32;
  }

  /// kRowGroup: passes windows in which nobody owns a block, eight by one load latency. The tail of
  /// a row_group made for the most rows that may come is long.
  FATHOM_DEVICE void skip_gap() {
    constexpr int kWindows = 8;
    const GroupIndex& index = params.groups;
    const auto* ids = static_cast<const int32_t*>(index.data);
#pragma unroll 1
    while (next_entry + kWindows * 32 <= index.num_entries()) {
      bool owned = false;
#pragma unroll
      for (int i = 0; i < kWindows; ++i) {
        const int32_t block = next_entry + i * 32 + ptx::lane_index();
        owned |= index.owner(ptx::load_global_s32(ids + block * index.alignment)) >= 0;
      }
      if (ptx::ballot(owned) != 0) return;
      next_entry += kWindows * 32;
    }
  }

  struct Sum {
    FATHOM_DEVICE static int32_t of(int32_t a, int32_t b) { return a + b; }
  };
  struct Max {
    FATHOM_DEVICE static int32_t of(int32_t a, int32_t b) { return max_of(a, b); }
  };

  /// Over this lane and all below.
  template <typename Op>
  FATHOM_DEVICE static int32_t prefix(int32_t value) {
#pragma unroll
    for (int delta = 1; delta < 32; delta *= 2) {
      const int32_t below = ptx::shuffle_up(value, delta);
      if (ptx::lane_index() >= delta) value = Op::of(value, below);
    }
    return value;
  }

  /// kOffsets, kGroupEnd, kMasked: entry g says where group g ends.
  FATHOM_DEVICE void read_ends(const GroupIndex& index, int32_t g) {
    const bool exists = g < index.num_groups;
    const int32_t skip = index.form == GroupForm::kOffsets ? 1 : 0;
    const int32_t end = exists ? index.clamp_row(read_entry(index, g + skip)) : 0;
    if (next_entry == 0 && skip == 1) open.row_end = index.clamp_row(read_entry(index, 0));
    const int32_t largest = prefix<Max>(end);
    const int32_t below = ptx::shuffle_up(largest, 1);
    const int32_t before = ptx::lane_index() == 0 ? open.row_end : max_of(open.row_end, below);
    item = exists ? ended_item(index, g, before, end) : Item{};
    open.row_end = max_of(open.row_end, ptx::shuffle(largest, 31));
  }

  FATHOM_DEVICE static int64_t read_entry(const GroupIndex& index, int32_t at) {
    if (index.is_int64 != 0)
      return ptx::load_global_s64(static_cast<const int64_t*>(index.data) + at);
    return ptx::load_global_s32(static_cast<const int32_t*>(index.data) + at);
  }

  /// kRowGroup: entry `block` is a block of rows. Neighbours of one group without a gap are one
  /// item, which the lane of its last block holds.
  FATHOM_DEVICE void read_blocks(const GroupIndex& index, int32_t block) {
    const auto* ids = static_cast<const int32_t*>(index.data);
    const auto read = [ids](int32_t row) { return ptx::load_global_s32(ids + row); };
    const int lane = ptx::lane_index();
    const int32_t blocks = index.num_entries();
    // Lane 31's neighbour is in the next window.
    const bool asks = lane == 31 && block + 1 < blocks;
    const int32_t after = asks ? index.owner(read((block + 1) * index.alignment)) : -1;
    const Item owned = block < blocks ? owned_block(index, block, read) : Item{-1, 0, 0};
    const bool full = owned.row_end == (block + 1) * index.alignment;

    const int32_t below = ptx::shuffle_up(full ? owned.group : -1, 1);
    const int32_t above = ptx::shuffle_down(owned.group, 1);
    const bool joins = owned.group >= 0 && owned.group == (lane == 0 ? open.group : below);
    const bool goes_on = owned.group >= 0 && full && owned.group == (lane == 31 ? after : above);
    const int32_t newest = prefix<Max>(joins ? -1 : owned.row);
    const int32_t start = newest < 0 ? open.row : newest;
    item = owned.group >= 0 && !goes_on ? Item{owned.group, start, owned.row_end} : Item{};
    open.group = ptx::shuffle(goes_on ? owned.group : -1, 31);
    open.row = ptx::shuffle(start, 31);
  }
};

}  // namespace fathom::device::gemm
