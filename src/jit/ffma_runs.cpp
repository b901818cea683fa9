// See ffma_runs.hpp. Instructions are 16 bytes; the upper half ends with the control bits: stall in
// 41..44, yield (inverted) in 45, barriers, and in 58..61 which operands are kept for the next
// instruction. ptxas itself emits every combination set here.
#include "jit/ffma_runs.hpp"

#include <elf.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

namespace fathom::jit {
namespace {

constexpr std::size_t kInstructionBytes = 16;
constexpr std::uint32_t kSm90 = 90;  // of the ELF header's flags: lowest byte, or the second

constexpr std::uint64_t kOpcodeMask = 0x1ff;
constexpr std::uint64_t kFfma = 0x023;  // of registers, as nvdisasm 13.0 shows it
constexpr int kOperandBShift = 32;
constexpr std::uint64_t kNoYield = 1ULL << 45;
constexpr std::uint64_t kKeepAny = 0xfULL << 58;
constexpr std::uint64_t kKeepB = 1ULL << 59;

struct Instruction {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool is_ffma() const { return (low & kOpcodeMask) == kFfma; }
  std::uint64_t operand_b() const { return (low >> kOperandBShift) & 0xff; }
  bool continued_by(const Instruction& next) const {
    return next.is_ffma() && next.operand_b() == operand_b();
  }
};

template <typename T>
std::optional<T> read_at(std::string_view bytes, std::size_t offset) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool is_sm90(const Elf64_Ehdr& header) {
  constexpr std::uint16_t kCuda = 190;  // EM_CUDA
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_machine == kCuda &&
         ((header.e_flags & 0xff) == kSm90 || ((header.e_flags >> 8) & 0xff) == kSm90);
}

/// One section of code.
int set_in_code(std::string& image, std::size_t begin, std::size_t bytes, int length) {
  int count = 0;
  int in_run = 0;
  for (std::size_t at = begin; at + kInstructionBytes <= begin + bytes; at += kInstructionBytes) {
    auto instruction = *read_at<Instruction>(image, at);
    if (!instruction.is_ffma()) {
      in_run = 0;
      continue;
    }
    const bool last_of_code = at + 2 * kInstructionBytes > begin + bytes;
    const bool continues = !last_of_code && instruction.continued_by(*read_at<Instruction>(
                                                image, at + kInstructionBytes));
    instruction.high &= ~(kKeepAny | kNoYield);
    if (continues && ++in_run < length)
      instruction.high |= kKeepB | kNoYield;
    else
      in_run = 0;
    std::memcpy(image.data() + at, &instruction, sizeof(instruction));
    ++count;
  }
  return count;
}

}  // namespace

int ffma_runs_wanted(std::string_view source) {
  const std::size_t at = source.find(kFfmaRunsLine);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = source.substr(at + kFfmaRunsLine.size());
  int length = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), length);
  return length;
}

int set_ffma_runs(std::string& cubin, int length) {
  const auto header = read_at<Elf64_Ehdr>(cubin, 0);
  if (!header || !is_sm90(*header)) return 0;
  int count = 0;
  for (std::size_t i = 0; i < header->e_shnum; ++i) {
    const auto section = read_at<Elf64_Shdr>(cubin, header->e_shoff + i * header->e_shentsize);
    if (!section || section->sh_type != SHT_PROGBITS || (section->sh_flags & SHF_EXECINSTR) == 0 ||
        section->sh_offset > cubin.size() || section->sh_size > cubin.size() - section->sh_offset)
      continue;
    count += set_in_code(cubin, section->sh_offset, section->sh_size, length);
  }
  return count;
}

}  // namespace fathom::jit
