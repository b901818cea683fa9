// wgmma of a warp: issued, grouped, evaluated late, collected by the lanes at the wait. Emulator
// layer, inside.
#include "emulator/ptx/wgmma.cuh"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulator/access.hpp"
#include "emulator/operand.hpp"
#include "emulator/ptx/wgmma_e4m3.cuh"
#include "emulator/tensor_core.hpp"
#include "emulator/warp.hpp"

namespace fathom::emulator {
namespace {

constexpr std::uint32_t kNan = 0x7fffffff;  // what sm_90's arithmetic gives for NaN

/// Calls visit(chunk's place) for all that one step of a warp's product reads: its 16 rows of A,
/// all rows of B.
template <typename Visit>
void for_each_chunk(const Warp& warp, const Product& product, int step, const Visit& visit) {
  const int first_row = warp.index % kWarpgroupWarps * kWarpRows;
  Operand a, b;
  decode(product.a[static_cast<std::size_t>(step)], &a);
  decode(product.b[static_cast<std::size_t>(step)], &b);
  for (int half = 0; half < 2; ++half) {
    for (int row = 0; row < kWarpRows; ++row) visit(a.chunk_address(first_row + row, half));
    for (int row = 0; row < product.cols; ++row) visit(b.chunk_address(row, half));
  }
}

/// Whether all operands lie in shared memory and obey the layouts' rules; reports when not.
bool operands_valid(Thread& thread, const Product& product) {
  for (int step = 0; step < product.steps; ++step) {
    for (const std::uint64_t descriptor :
         {product.a[static_cast<std::size_t>(step)], product.b[static_cast<std::size_t>(step)]}) {
      Operand operand;
      if (const std::string problem = decode(descriptor, &operand); !problem.empty()) {
        thread.cluster->report(FindingKind::kMisaligned, &thread, "wgmma: " + problem);
        return false;
      }
    }
    std::uint32_t lowest = ~0u, highest = 0;
    for_each_chunk(*thread.warp, product, step, [&](std::uint32_t at) {
      lowest = std::min(lowest, at);
      highest = std::max(highest, at);
    });
    if (!resolve(thread, {lowest}, highest + 16 - lowest, 16, "wgmma")) return false;
  }
  return true;
}

/// The four warps of a warpgroup must issue the same products.
void check_warpgroup(Thread& thread, const Product& product, int number) {
  std::uint64_t key = Random::mix(static_cast<std::uint64_t>(product.cols * 8 + product.steps));
  for (std::size_t step = 0; step < static_cast<std::size_t>(product.steps); ++step)
    key = Random::mix(Random::mix(key ^ product.a[step]) ^ product.b[step]);
  auto& issued =
      thread.cta->warpgroups[static_cast<std::size_t>(thread.warp->index / kWarpgroupWarps)].issued;
  Warpgroup::Issued& same = issued[number];
  if (same.warps > 0 && same.key != key)
    thread.cluster->report(
        FindingKind::kDivergence, &thread,
        fmt::format("wgmma {} of this warp is not that of the warpgroup's other warps", number));
  same.key = key;
  if (++same.warps == kWarpgroupWarps) issued.erase(number);
}

void issue(Thread& thread, Product product) {
  Warp& warp = *thread.warp;
  Products& products = warp.products;
  check_warpgroup(thread, product, products.issued);
  if (!operands_valid(thread, product)) thread.cluster->give_up(thread);
  for (int step = 0; step < product.steps; ++step)
    for_each_chunk(warp, product, step, [&](std::uint32_t at) {
      begin_read(thread, {thread.cta, at}, false, "wgmma");
    });
  product.poison = thread.cluster->poisons.make({.kind = FindingKind::kEarlyRead,
                                                 .thread = &thread,
                                                 .product = products.issued,
                                                 .last_barrier = thread.last_barrier,
                                                 .last_phase = thread.last_phase});
  ++products.issued;
  products.list.push_back(std::move(product));
}

/// Decodes 32 bytes of a row; a byte that nobody wrote poisons the whole row.
template <typename Put>
void read_row(Thread& thread, const Operand& operand, int row, std::uint32_t* poison,
              const Put& put) {
  SharedMemory& shared = thread.cta->shared;
  for (int half = 0; half < 2; ++half) {
    const std::uint32_t at = operand.chunk_address(row, half);
    if (*poison == 0 && shared.chunk(at).written != 0xffff)
      *poison = thread.cluster->poisons.make(
          {.kind = FindingKind::kNeverWritten, .thread = &thread, .address = at});
    const unsigned char* bytes = shared.at(at);
    for (int i = 0; i < 16; ++i)
      put(static_cast<std::size_t>(half * 16 + i), std::size_t{bytes[i]});
  }
}

struct WarpSums {
  std::vector<std::array<float, kWarpRows>> of;  // [column][row]
  std::array<std::uint32_t, kWarpRows> row_poison{};
  std::vector<std::uint32_t> col_poison;
};

void add_products(Thread& thread, const Product& product, std::size_t step, WarpSums& sums) {
  const int first_row = thread.warp->index % kWarpgroupWarps * kWarpRows;
  Operand a, b;
  decode(product.a[step], &a);
  decode(product.b[step], &b);
  const E4m3Table& table = e4m3_table();
  OperandA rows;
  for (std::size_t row = 0; row < kWarpRows; ++row)
    read_row(thread, a, first_row + static_cast<int>(row), &sums.row_poison[row],
             [&](std::size_t k, std::size_t code) {
               rows.value[k][row] = table.value[code];
               rows.exponent[k][row] = table.exponent[code];
             });
  OperandB col;
  for (int n = 0; n < product.cols; ++n) {
    const auto at = static_cast<std::size_t>(n);
    read_row(thread, b, n, &sums.col_poison[at], [&](std::size_t k, std::size_t code) {
      col.value[k] = table.value[code];
      col.exponent[k] = table.exponent[code];
    });
    add_step(rows, col, sums.of[at]);
  }
}

/// The bits of an accumulator: poison, the one NaN, or the sum.
float result_of(const WarpSums& sums, std::size_t row, std::size_t col) {
  if (sums.row_poison[row] != 0) return std::bit_cast<float>(sums.row_poison[row]);
  if (sums.col_poison[col] != 0) return std::bit_cast<float>(sums.col_poison[col]);
  const float sum = sums.of[col][row];
  return std::isnan(sum) ? std::bit_cast<float>(kNan) : sum;
}

/// Lane l, group g of 8 columns: rows l / 4 and l / 4 + 8, columns 8g + 2(l % 4) and the next (PTX
/// ISA, wgmma accumulator layout).
void evaluate(Thread& thread, Product& product) {
  const auto cols = static_cast<std::size_t>(product.cols);
  WarpSums sums{std::vector<std::array<float, kWarpRows>>(cols), {}, {}};
  sums.col_poison.resize(cols);
  for (std::size_t step = 0; step < static_cast<std::size_t>(product.steps); ++step)
    add_products(thread, product, step, sums);
  product.result.resize(kWarpThreads * cols / 2);
  for (std::size_t lane = 0; lane < kWarpThreads; ++lane) {
    for (std::size_t i = 0; i < cols / 2; ++i) {
      const std::size_t row = lane / 4 + (i % 4 >= 2 ? 8 : 0);
      const std::size_t col = i / 4 * 8 + lane % 4 * 2 + i % 2;
      product.result[lane * cols / 2 + i] = result_of(sums, row, col);
    }
  }
}

/// Lands the oldest running group of the warp.
void finish_group(Thread& thread) {
  Products& products = thread.warp->products;
  const auto group = static_cast<std::size_t>(products.finished_groups++);
  const int begin = group == 0 ? 0 : products.group_ends[group - 1];
  for (int number = begin; number < products.group_ends[group]; ++number) {
    Product& product = products.list[static_cast<std::size_t>(number - products.first)];
    if (!thread.cta->ended()) evaluate(thread, product);
    for (int step = 0; step < product.steps; ++step)
      for_each_chunk(*thread.warp, product, step, [&](std::uint32_t at) {
        end_read({thread.cta, at});
      });
  }
  thread.cluster->wake(products.waiters);
}

void commit(Thread& thread) {
  Products& products = thread.warp->products;
  products.group_ends.push_back(products.issued);
  thread.cluster->scheduler.later([&thread] { finish_group(thread); }, thread.warp_in_cluster());
}

/// Gives this lane the results of all products before number `end`.
void collect(Thread& thread, int end) {
  Products& products = thread.warp->products;
  const auto lane = static_cast<std::size_t>(thread.lane);
  for (; thread.products_collected < end; ++thread.products_collected) {
    Product& product =
        products.list[static_cast<std::size_t>(thread.products_collected - products.first)];
    const std::size_t count = static_cast<std::size_t>(product.cols) / 2;
    float* registers = product.registers[lane];
    bool touched = false;
    for (std::size_t i = 0; i < count; ++i)
      touched = touched || std::bit_cast<std::uint32_t>(registers[i]) != product.poison;
    if (touched)  // and perhaps no accumulator any more: leave the memory alone
      thread.cluster->report(FindingKind::kEarlyRead, &thread,
                             fmt::format("the accumulators of wgmma {} were written before "
                                         "wgmma.wait_group",
                                         thread.products_collected));
    else
      std::memcpy(registers, &product.result[lane * count], count * sizeof(float));
    ++product.collected;
  }
  while (!products.list.empty() && products.list.front().collected == kWarpThreads) {
    products.list.pop_front();
    ++products.first;
  }
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::FindingKind;
using emulator::MeetingSlots;
using emulator::Product;
using emulator::self;
using emulator::Thread;

void wgmma_e4m3(float* d, int cols, const uint64_t* a, const uint64_t* b, int steps) {
  Thread& thread = self();
  if (!thread.wgmma_fenced)
    thread.cluster->report(FindingKind::kMissingFence, &thread,
                           "wgmma without a wgmma.fence since the registers could change");
  emulator::Meeting::Slot mine;
  mine.pointer = d;
  for (std::size_t i = 0; i < static_cast<std::size_t>(steps); ++i) {
    mine.words[i] = a[i];
    mine.words[Product::kMostSteps + i] = b[i];
  }
  emulator::meet(thread, "wgmma", mine, [&](MeetingSlots& slots) {
    Product product;
    product.cols = cols;
    product.steps = steps;
    for (std::size_t i = 0; i < static_cast<std::size_t>(steps); ++i) {
      product.a[i] = a[i];
      product.b[i] = b[i];
    }
    for (std::size_t lane = 0; lane < emulator::kWarpThreads; ++lane) {
      product.registers[lane] = static_cast<float*>(const_cast<void*>(slots[lane].pointer));
      if (slots[lane].words != mine.words)
        thread.cluster->report(FindingKind::kDivergence, &thread,
                               "wgmma with other descriptors than lanes of the same warp");
    }
    emulator::issue(thread, std::move(product));
  });
  // The same number for all lanes: the product just issued, which nobody has collected yet.
  const auto& list = thread.warp->products.list;
  const float poison = std::bit_cast<float>(list.back().poison);
  for (int i = 0; i < cols / 2; ++i) d[i] = poison;
}

void wgmma_fence() {
  Thread& thread = self();
  thread.cluster->step(thread);
  thread.wgmma_fenced = true;
}

void wgmma_commit_group() {
  emulator::meet(self(), "wgmma.commit_group", {}, [](MeetingSlots&) { emulator::commit(self()); });
}

void wgmma_wait(int pending) {
  Thread& thread = self();
  emulator::meet(thread, "wgmma.wait_group", {}, [](MeetingSlots&) {});
  emulator::Products& products = thread.warp->products;
  const int groups = static_cast<int>(products.group_ends.size()) - pending;
  if (groups > 0) {
    while (products.finished_groups < groups)
      thread.cluster->block(thread, {emulator::Wait::For::kProducts, 0, 0}, products.waiters);
    emulator::collect(thread, products.group_ends[static_cast<std::size_t>(groups) - 1]);
  }
  thread.wgmma_fenced = false;
}

}  // namespace fathom::ptx
