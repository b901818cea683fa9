// Boxes of the tensor copy engine against a host model, on a GPU or in the emulator.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <ostream>

#include "ptx_cases/machine.hpp"
#include "support/half.hpp"
#include "support/random.hpp"

namespace fathom::ptx_cases {
namespace {

using Bytes = std::vector<unsigned char>;
using cuda::abi::TensorMapDataType;
using cuda::abi::TensorMapSwizzle;

struct Box {
  TensorMapDataType type;
  TensorMapSwizzle swizzle;
  std::int64_t cols, rows;  ///< of the tensor
  std::int64_t box_cols, box_rows;
  std::int32_t x, y;

  std::int64_t element() const {
    return type == TensorMapDataType::kUint8 ? 1 : type == TensorMapDataType::kBfloat16 ? 2 : 4;
  }
  std::int64_t pitch() const { return (cols * element() + 15) / 16 * 16 + 32; }
  std::int64_t row_bytes() const { return box_cols * element(); }
  std::int64_t bytes() const { return row_bytes() * box_rows; }
  std::string text() const {
    return fmt::format("type {} swizzle {} tensor [{}, {}] box [{}, {}] at ({}, {})",
                       static_cast<int>(type), static_cast<int>(swizzle), rows, cols, box_rows,
                       box_cols, x, y);
  }
};

/// For gtest.
void PrintTo(const Box& box, std::ostream* out) {
  *out << box.text();
}

/// Where byte `at` of the box lies: bits 4 and up of the address change with bits 7 and up (CUDA
/// programming guide, TMA swizzle), by the span rather than by the row.
std::int64_t swizzled(const Box& box, std::int64_t at) {
  const std::int64_t mask = box.swizzle == TensorMapSwizzle::k128  ? 7
                            : box.swizzle == TensorMapSwizzle::k64 ? 3
                            : box.swizzle == TensorMapSwizzle::k32 ? 1
                                                                   : 0;
  return at ^ ((at >> 7 & mask) << 4);
}

TensorMap encode(const Box& box, const cuda::Buffer& tensor) {
  cuda::TensorMapSpec spec;
  spec.name = "tensor";
  spec.type = box.type;
  spec.base = tensor.data();
  spec.dims = {box.cols, box.rows};
  spec.stride_bytes = {box.pitch()};
  spec.box = {box.box_cols, box.box_rows};
  spec.swizzle = box.swizzle;
  return Machine::instance().encode(spec);
}

Bytes random_bytes(std::int64_t count, std::uint64_t seed) {
  support::Random random(seed);
  Bytes bytes(static_cast<std::size_t>(count));
  // Every element of every type is a normal number of moderate size: additions in global memory
  // flush denormals.
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(1 + random.bits() % 0x40);
  return bytes;
}

/// The box in shared memory; zeros where it leaves the tensor.
Bytes loaded(const Box& box, const Bytes& tensor, std::int32_t x, std::int32_t y) {
  Bytes smem(static_cast<std::size_t>(box.bytes()));
  for (std::int64_t row = 0; row < box.box_rows; ++row)
    for (std::int64_t at = 0; at < box.row_bytes(); ++at) {
      const std::int64_t col = x + at / box.element();
      if (y + row < 0 || y + row >= box.rows || col < 0 || col >= box.cols) continue;
      const std::int64_t from = (y + row) * box.pitch() + x * box.element() + at;
      smem[static_cast<std::size_t>(swizzled(box, row * box.row_bytes() + at))] =
          tensor[static_cast<std::size_t>(from)];
    }
  return smem;
}

// A box starts at a multiple of 16 bytes along x and not before the tensor: an H200 takes other
// coordinates for an illegal instruction (2026-11-21, driver 580.159).
const Box kLoads[] = {
    {TensorMapDataType::kUint8, TensorMapSwizzle::k128, 300, 70, 128, 64, 0, 0},
    {TensorMapDataType::kUint8, TensorMapSwizzle::k128, 300, 70, 128, 64, 256,
     10},  // past both edges
    {TensorMapDataType::kUint8, TensorMapSwizzle::k128, 300, 70, 128, 8, 176, 66},
    {TensorMapDataType::kUint8, TensorMapSwizzle::k64, 200, 40, 64, 16, 144, 30},
    {TensorMapDataType::kUint8, TensorMapSwizzle::k32, 200, 40, 32, 16, 176, 30},
    {TensorMapDataType::kUint8, TensorMapSwizzle::kNone, 100, 9, 16, 8, 96, 3},
    {TensorMapDataType::kBfloat16, TensorMapSwizzle::k128, 100, 64, 64, 64, 64, 0},
    {TensorMapDataType::kBfloat16, TensorMapSwizzle::k64, 100, 64, 32, 24, 8, 60},
    {TensorMapDataType::kBfloat16, TensorMapSwizzle::k32, 100, 64, 16, 8, 8, 8},
    {TensorMapDataType::kFloat32, TensorMapSwizzle::kNone, 200, 6, 128, 1, 100, 5},
    {TensorMapDataType::kFloat32, TensorMapSwizzle::kNone, 61, 20, 64, 14, 0, 7},
    {TensorMapDataType::kFloat32, TensorMapSwizzle::k128, 61, 20, 32, 20, 40, 0},
    {TensorMapDataType::kUint8, TensorMapSwizzle::k128, 128, 8, 128, 8, 4096, 0},  // nothing inside
};

class PtxTmaLoad : public ::testing::TestWithParam<Box> {};

TEST_P(PtxTmaLoad, FillsTheBox) {
  Machine& machine = Machine::instance();
  const Box& box = GetParam();
  const Bytes tensor = random_bytes(box.pitch() * box.rows, 31);
  const cuda::Buffer memory = machine.upload(tensor);
  const cuda::Buffer out(machine.device(), 2 * box.bytes());
  const auto bytes = static_cast<std::int32_t>(box.bytes());
  machine.run("ptx_tma_load", {.grid = {1}, .block = {32}, .shared_bytes = 2 * bytes + 16},
              TmaParams{encode(box, memory), box.x, box.y, bytes, 0, 0, nullptr,
                        static_cast<std::uint32_t*>(out.data())});
  Bytes wanted = loaded(box, tensor, box.x, box.y);
  wanted.resize(2 * wanted.size(), 0xcd);  // nothing behind the box is touched
  EXPECT_TRUE(Machine::download<unsigned char>(out) == wanted);
}

INSTANTIATE_TEST_SUITE_P(Boxes, PtxTmaLoad, ::testing::ValuesIn(kLoads));

TEST(PtxTma, MulticastsToAPair) {
  const Box box{TensorMapDataType::kUint8, TensorMapSwizzle::k128, 300, 30, 128, 8, 128, 17};
  Machine& machine = Machine::instance();
  const Bytes tensor = random_bytes(box.pitch() * box.rows, 32);
  const cuda::Buffer memory = machine.upload(tensor);
  const cuda::Buffer out(machine.device(), 4 * box.bytes());
  const auto bytes = static_cast<std::int32_t>(box.bytes());
  machine.run("ptx_tma_multicast",
              {.grid = {2}, .block = {32}, .cluster = {2}, .shared_bytes = 2 * bytes + 16},
              TmaParams{encode(box, memory), box.x, box.y, bytes, 0, 0, nullptr,
                        static_cast<std::uint32_t*>(out.data())});
  Bytes wanted;
  for (int cta = 0; cta < 2; ++cta)
    for (std::int32_t half = 0; half < 2; ++half) {
      const Bytes part = loaded(box, tensor, box.x, box.y + 8 * half);
      wanted.insert(wanted.end(), part.begin(), part.end());
    }
  EXPECT_TRUE(Machine::download<unsigned char>(out) == wanted);
}

/// Element by element, so that adding knows its type.
void store(const Box& box, const Bytes& smem, bool add, std::int32_t x, std::int32_t y,
           Bytes& tensor) {
  const std::int64_t element = box.element();
  for (std::int64_t row = 0; row < box.box_rows; ++row)
    for (std::int64_t i = 0; i < box.box_cols; ++i) {
      if (y + row < 0 || y + row >= box.rows || x + i < 0 || x + i >= box.cols) continue;
      unsigned char* to =
          &tensor[static_cast<std::size_t>((y + row) * box.pitch() + (x + i) * element)];
      const std::int64_t from = swizzled(box, row * box.row_bytes() + i * element);
      float sum = 0, addend = 0;
      if (add) {
        std::memcpy(&sum, to, sizeof(sum));
        std::memcpy(&addend, &smem[static_cast<std::size_t>(from)], sizeof(addend));
        sum += addend;
        std::memcpy(to, &sum, sizeof(sum));
      } else {
        std::memcpy(to, &smem[static_cast<std::size_t>(from)], static_cast<std::size_t>(element));
      }
    }
}

struct Store {
  Box box;
  bool add;
};
void PrintTo(const Store& store, std::ostream* out) {
  *out << store.box.text() << (store.add ? " add" : "");
}
// Widths are whole 16-byte chunks: hardware clips a store there (device/gemm/params.hpp, tma_cols).
const Store kStores[] = {
    {{TensorMapDataType::kBfloat16, TensorMapSwizzle::k128, 104, 70, 64, 64, 0, 0}, false},
    {{TensorMapDataType::kBfloat16, TensorMapSwizzle::k128, 104, 70, 64, 64, 64, 10}, false},
    {{TensorMapDataType::kBfloat16, TensorMapSwizzle::k64, 104, 70, 32, 16, 72, 60}, false},
    {{TensorMapDataType::kBfloat16, TensorMapSwizzle::k32, 104, 70, 16, 16, 88, 60}, false},
    {{TensorMapDataType::kFloat32, TensorMapSwizzle::k128, 60, 70, 32, 64, 32, 8}, false},
    {{TensorMapDataType::kFloat32, TensorMapSwizzle::k128, 60, 70, 32, 64, 28, 8}, true},
    {{TensorMapDataType::kFloat32, TensorMapSwizzle::kNone, 60, 70, 32, 64, 4, 8}, true},
};

class PtxTmaStore : public ::testing::TestWithParam<Store> {};

TEST_P(PtxTmaStore, WritesOrAddsTheBox) {
  Machine& machine = Machine::instance();
  const auto& [box, add] = GetParam();
  Bytes tensor = random_bytes(box.pitch() * box.rows, 33);
  const Bytes smem = random_bytes(box.bytes(), 34);
  const cuda::Buffer memory = machine.upload(tensor), in = machine.upload(smem);
  const auto bytes = static_cast<std::int32_t>(box.bytes());
  machine.run(
      "ptx_tma_store", {.grid = {1}, .block = {32}, .shared_bytes = bytes},
      TmaParams{encode(box, memory), box.x, box.y, bytes, static_cast<std::int32_t>(box.box_cols),
                add ? 1 : 0, static_cast<const std::uint32_t*>(in.data()), nullptr});
  store(box, smem, add, box.x, box.y, tensor);
  store(box, smem, add, box.x + static_cast<std::int32_t>(box.box_cols), box.y, tensor);
  EXPECT_TRUE(Machine::download<unsigned char>(memory) == tensor);
}

INSTANTIATE_TEST_SUITE_P(Boxes, PtxTmaStore, ::testing::ValuesIn(kStores));

}  // namespace
}  // namespace fathom::ptx_cases
