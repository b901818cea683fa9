// Reads and writes of shared memory with all their checks: plain ones of threads, and the beginning
// and end of asynchronous ones. Emulator layer, inside.
#pragma once

#include <cstdint>

#include "emulator/cluster.hpp"

namespace fathom::emulator {

/// A place in the shared memory of a CTA of the running thread's cluster; no CTA: there is none.
struct Target {
  Cta* cta = nullptr;
  std::uint32_t address = 0;
  explicit operator bool() const { return cta != nullptr; }
};

/// An address of ptx::map_to_cta names its CTA in the upper byte, counted from 1; 0: the thread's
/// own CTA.
std::uint32_t mapped_address(std::uint32_t address, int rank);

/// Where `address` points, checked for bounds, alignment and a living CTA; reports when wrong.
Target resolve(Thread& thread, SmemAddr address, std::int64_t bytes, int alignment,
               const char* instruction);

/// ld.shared: `bytes` up to 16, naturally aligned. Floats that were never written come as poison,
/// other values are reported at once and come as zeros.
enum class ValueKind { kFloats, kBits };
void read_shared(SmemAddr from, void* to, int bytes, ValueKind kind, const char* instruction);
/// st.shared and its kin, by `thread`.
void write_shared(Thread& thread, SmemAddr to, const void* from, int bytes,
                  const char* instruction);
void store_checked(Thread& thread, const Target& to, const void* from, int bytes,
                   const char* instruction);

/// An engine (TMA, st.async) will write these whole chunks: nobody may touch them until then.
void begin_load(Thread& thread, const Target& to, std::int64_t bytes, const char* instruction);
/// The bytes are there, written by the engine.
void end_load(const Target& to, std::int64_t bytes);

/// An engine or wgmma will read this chunk: nobody may write it until end_read. Reports what is in
/// flight and plain writes without a proxy fence. `must_be_written`: reports what nobody wrote.
void begin_read(Thread& thread, const Target& from, bool must_be_written, const char* instruction);
void end_read(const Target& from);

/// Names what is at work for reports; the number ends it.
std::uint64_t note_outstanding(Thread& thread, const Target& at, std::int64_t bytes,
                               const char* instruction);
void end_outstanding(Cta& cta, std::uint64_t number);

/// Reports a value that must not be used: poison on its way out of the kernel.
void check_float_use(Thread& thread, float value, const char* instruction);
void check_bf16_use(Thread& thread, std::uint16_t value, const char* instruction);

}  // namespace fathom::emulator
