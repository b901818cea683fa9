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
  /// Registers that an FFMA reads, in the order of its operands.
  int operand(int i) const {
    return static_cast<int>((i == 0 ? low >> 24 : i == 1 ? low >> 32 : high) & 0xff);
  }
  /// Of an FFMA: the next instruction finds operand 1 without reading its register.
  bool keeps_operand_1() const { return ((high >> 59) & 1) != 0; }
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
  int one_bank_ffma = 0;  ///< three registers read, all even or all odd: a cycle more
};

/// The code of section .text.<kernel> of a cubin. Throws std::runtime_error when there is none.
std::vector<SassInstruction> sass_of(std::string_view cubin, const std::string& kernel);

/// The smallest loop that holds all of some wgmma: no loop with a wgmma lies inside it. First in
/// the code.
SassLoop innermost_wgmma_loop(const std::vector<SassInstruction>& code);

}  // namespace fathom::test
