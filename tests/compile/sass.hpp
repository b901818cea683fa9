// Reads machine code (SASS of sm_90) out of a cubin without a disassembler: instruction kinds and
// backward branches, no more. Test support.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::test {

/// Instructions of 16 bytes; the lowest 12 bits are the opcode (as nvdisasm 13.0 shows it).
struct SassInstruction {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool is_ffma() const { return (low & 0x1ff) == 0x023; }
  bool is_qgmma() const { return (low & 0x1ff) == 0x1f3; }
  bool is_branch() const { return (low & 0xfff) == 0x947; }
  bool is_local_memory() const { return (low & 0xfff) == 0x983 || (low & 0xfff) == 0x387; }
  /// The yield flag of the control word is clear when the scheduler should prefer another warp.
  bool yields() const { return ((high >> 45) & 1) == 0; }
  /// Of a branch: bytes from the next instruction to the target.
  std::int64_t branch_offset() const;
};

/// A backward branch and all up to its target.
struct SassLoop {
  int instructions = 0;
  int ffma = 0;
  int qgmma = 0;
  int yielding_ffma = 0;
};

/// The code of section .text.<kernel> of a cubin. Throws std::runtime_error when there is none.
std::vector<SassInstruction> sass_of(std::string_view cubin, const std::string& kernel);

/// The smallest loop that holds all of some wgmma: no loop with a wgmma lies inside it. First in
/// the code.
SassLoop innermost_wgmma_loop(const std::vector<SassInstruction>& code);

}  // namespace fathom::test
