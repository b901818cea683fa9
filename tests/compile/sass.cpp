#include "compile/sass.hpp"

#include <elf.h>

#include <cstring>
#include <stdexcept>

namespace fathom::test {
namespace {

constexpr std::size_t kInstructionBytes = 16;

template <typename T>
T read_at(std::string_view bytes, std::size_t offset) {
  if (offset + sizeof(T) > bytes.size()) throw std::runtime_error("cubin: cut short");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

std::int64_t SassInstruction::branch_offset() const {
  // In units of 4 bytes: bits 16..23, then bits 34..81 as a signed number above them.
  const std::uint64_t upper = (low >> 34) | ((high & 0x3ffff) << 30);
  const std::int64_t sign = (upper & (1ULL << 47)) != 0 ? -(1LL << 48) : 0;
  return ((static_cast<std::int64_t>(upper) + sign) * 256 +
          static_cast<std::int64_t>((low >> 16) & 0xff)) *
         4;
}

std::vector<SassInstruction> sass_of(std::string_view cubin, const std::string& kernel) {
  const auto header = read_at<Elf64_Ehdr>(cubin, 0);
  const auto section = [&](std::size_t i) {
    return read_at<Elf64_Shdr>(cubin, header.e_shoff + i * header.e_shentsize);
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr s = section(i);
    const std::string_view name = cubin.data() + names.sh_offset + s.sh_name;
    if (name != ".text." + kernel) continue;
    std::vector<SassInstruction> code;
    for (std::size_t at = 0; at + kInstructionBytes <= s.sh_size; at += kInstructionBytes)
      code.push_back({read_at<std::uint64_t>(cubin, s.sh_offset + at),
                      read_at<std::uint64_t>(cubin, s.sh_offset + at + 8)});
    return code;
  }
  throw std::runtime_error("cubin: no code of " + kernel);
}

namespace {

bool reads_one_bank(const std::vector<SassInstruction>& code, std::size_t i) {
  const SassInstruction& ffma = code[i];
  if (!ffma.is_ffma()) return false;
  const bool kept = i > 0 && code[i - 1].is_ffma() && code[i - 1].keeps_operand_1() &&
                    code[i - 1].operand(1) == ffma.operand(1);
  const int bank = ffma.operand(0) % 2;
  return !kept && ffma.operand(1) % 2 == bank && ffma.operand(2) % 2 == bank;
}

}  // namespace

SassLoop innermost_wgmma_loop(const std::vector<SassInstruction>& code) {
  SassLoop best;
  for (std::size_t end = 0; end < code.size(); ++end) {
    if (!code[end].is_branch() || code[end].branch_offset() >= 0) continue;
    const std::int64_t begin = static_cast<std::int64_t>(end) + 1 +
                               code[end].branch_offset() / static_cast<int>(kInstructionBytes);
    if (begin < 0) continue;
    SassLoop loop;
    for (std::size_t i = static_cast<std::size_t>(begin); i <= end; ++i) {
      ++loop.instructions;
      loop.ffma += code[i].is_ffma();
      loop.yielding_ffma += code[i].is_ffma() && code[i].yields();
      loop.one_bank_ffma += reads_one_bank(code, i);
      loop.qgmma += code[i].is_qgmma();
    }
    if (loop.qgmma > 0 && (best.qgmma == 0 || loop.instructions < best.instructions)) best = loop;
  }
  return best;
}

}  // namespace fathom::test
