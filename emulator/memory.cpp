// Plain loads and stores of threads, shared and global. Emulator layer, inside.
#include "emulator/ptx/memory.cuh"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "emulator/access.hpp"
#include "emulator/ptx/global.cuh"

// What kernel text declares as its dynamic shared memory (emulator/kernels/cuda_text.hpp): one
// address for all CTAs, which smem_address turns into that of the caller's.
extern unsigned char smem[];
unsigned char smem[16];

namespace fathom::emulator {
namespace {

template <typename T>
T load_shared_as(SmemAddr from, ValueKind kind, const char* instruction) {
  T value;
  read_shared(from, &value, sizeof value, kind, instruction);
  return value;
}

template <typename T>
void store_shared_as(SmemAddr to, const T& value, const char* instruction) {
  Thread& thread = self();
  thread.cluster->step(thread);
  write_shared(thread, to, &value, sizeof value, instruction);
}

/// Whether global memory at `at` may be accessed as a T.
template <typename T>
bool may_access(Thread& thread, const void* at, Access access, const char* instruction) {
  if (reinterpret_cast<std::uintptr_t>(at) % sizeof(T) != 0) {
    thread.cluster->report(
        FindingKind::kMisaligned, &thread,
        fmt::format("{} at {}, which is not a multiple of {} bytes", instruction, at, sizeof(T)));
    return false;
  }
  return thread.cluster->check_global(thread, at, sizeof(T), access, instruction);
}

template <typename T>
T load_global_as(const void* from) {
  Thread& thread = self();
  thread.cluster->step(thread);
  T value{};
  if (may_access<T>(thread, from, Access::kRead, "ld.global"))
    std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void store_global_as(void* to, const T& value) {
  Thread& thread = self();
  thread.cluster->step(thread);
  if (may_access<T>(thread, to, Access::kReadWrite, "st.global"))
    std::memcpy(to, &value, sizeof value);
}

/// A float or two bf16 that leave the kernel.
void check_word_use(std::uint32_t word) {
  check_float_use(self(), std::bit_cast<float>(word), "st.global");
  check_bf16_use(self(), static_cast<std::uint16_t>(word), "st.global");
  check_bf16_use(self(), static_cast<std::uint16_t>(word >> 16), "st.global");
}

}  // namespace
}  // namespace fathom::emulator

namespace fathom::ptx {

using emulator::load_global_as;
using emulator::load_shared_as;
using emulator::self;
using emulator::store_global_as;
using emulator::store_shared_as;
using emulator::ValueKind;

SmemAddr smem_address(const void* pointer) {
  if (pointer == ::smem) return {emulator::SharedMemory::kBase};
  emulator::SharedMemory& shared = self().cta->shared;
  const auto* start = shared.at(emulator::SharedMemory::kBase);
  return {emulator::SharedMemory::kBase +
          static_cast<uint32_t>(static_cast<const unsigned char*>(pointer) - start)};
}

float load_shared(SmemAddr from) {
  return load_shared_as<float>(from, ValueKind::kFloats, "ld.shared");
}
uint16_t load_shared_u16(SmemAddr from) {
  return load_shared_as<uint16_t>(from, ValueKind::kBits, "ld.shared");
}
uint32_t load_shared_u32(SmemAddr from) {
  return load_shared_as<uint32_t>(from, ValueKind::kBits, "ld.shared");
}
Float2 load_shared_v2(SmemAddr from) {
  return load_shared_as<Float2>(from, ValueKind::kFloats, "ld.shared.v2");
}
Float4 load_shared_v4(SmemAddr from) {
  return load_shared_as<Float4>(from, ValueKind::kFloats, "ld.shared.v4");
}
void store_shared_u32(SmemAddr to, uint32_t v) {
  store_shared_as(to, v, "st.shared");
}
Word4 load_shared_v4_u32(SmemAddr from) {
  return load_shared_as<Word4>(from, ValueKind::kBits, "ld.shared.v4");
}
void store_shared_v4_u32(SmemAddr to, Word4 v) {
  store_shared_as(to, v, "st.shared.v4");
}
void store_shared_v2(SmemAddr to, float x, float y) {
  store_shared_as(to, Float2{x, y}, "st.shared.v2");
}
void store_shared_v4(SmemAddr to, Float4 v) {
  store_shared_as(to, v, "st.shared.v4");
}

float load_global(const float* from) {
  return load_global_as<float>(from);
}
Word4 load_global_v4(const void* from) {
  return load_global_as<Word4>(from);
}
uint32_t load_global_u32(const void* from) {
  return load_global_as<uint32_t>(from);
}
uint32_t load_global_u16(const void* from) {
  return load_global_as<uint16_t>(from);
}
uint32_t load_global_u8(const void* from) {
  return load_global_as<uint8_t>(from);
}
int32_t load_global_s32(const int32_t* from) {
  return load_global_as<int32_t>(from);
}
int64_t load_global_s64(const int64_t* from) {
  return load_global_as<int64_t>(from);
}

void store_global(float* to, float v) {
  emulator::check_float_use(self(), v, "st.global");
  store_global_as(to, v);
}
void store_global(uint32_t* to, uint32_t v) {
  emulator::check_word_use(v);
  store_global_as(to, v);
}
void store_global(uint16_t* to, uint16_t v) {
  emulator::check_bf16_use(self(), v, "st.global");
  store_global_as(to, v);
}
void store_global_v4(void* to, Word4 v) {
  for (const uint32_t word : {v.x, v.y, v.z, v.w}) emulator::check_word_use(word);
  store_global_as(to, v);
}
void store_global_v2(void* to, Word2 v) {
  store_global_as(to, v);
}
void store_global_u32(void* to, uint32_t v) {
  emulator::check_float_use(self(), std::bit_cast<float>(v), "st.global");
  store_global_as(to, v);
}
void store_global_u16(void* to, uint32_t v) {
  emulator::check_bf16_use(self(), static_cast<uint16_t>(v), "st.global");
  store_global_as(to, static_cast<uint16_t>(v));
}
void store_global_u8(void* to, uint32_t v) {
  store_global_as(to, static_cast<uint8_t>(v));
}

}  // namespace fathom::ptx
