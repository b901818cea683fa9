// The pass over machine code that groups FFMAs, on a cubin made by hand.
#include "jit/ffma_runs.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "plan/gemm_configs.hpp"

namespace fathom::jit {
namespace {

constexpr std::uint64_t kNoYield = 1ULL << 45;
constexpr std::uint64_t kKeepA = 1ULL << 58;
constexpr std::uint64_t kKeepB = 1ULL << 59;
constexpr std::uint64_t kStallOne = 1ULL << 41;

struct Word {
  std::uint64_t low, high;
};

Word ffma(int operand_b, std::uint64_t control = kStallOne | kKeepA) {
  return {0x223ULL | static_cast<std::uint64_t>(operand_b) << 32, control};
}
Word other() {
  return {0x947, kStallOne};
}

/// An ELF of EM_CUDA with one section of code and one of something else that looks like it.
std::string cubin_of(const std::vector<Word>& code, std::uint32_t flags) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_machine = 190;
  header.e_flags = flags;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 3;
  header.e_shoff = sizeof(header);
  Elf64_Shdr sections[3]{};
  const std::size_t bytes = code.size() * sizeof(Word);
  const std::size_t begin = sizeof(header) + sizeof(sections);
  sections[1].sh_type = SHT_PROGBITS;
  sections[1].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  sections[1].sh_offset = begin;
  sections[1].sh_size = bytes;
  sections[2].sh_type = SHT_PROGBITS;
  sections[2].sh_flags = SHF_ALLOC;
  sections[2].sh_offset = begin + bytes;
  sections[2].sh_size = bytes;
  std::string image(begin + 2 * bytes, '\0');
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + sizeof(header), sections, sizeof(sections));
  std::memcpy(image.data() + begin, code.data(), bytes);
  std::memcpy(image.data() + begin + bytes, code.data(), bytes);
  return image;
}

std::vector<Word> code_of(const std::string& cubin, std::size_t count, bool second = false) {
  std::vector<Word> code(count);
  const std::size_t begin = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr);
  std::memcpy(code.data(), cubin.data() + begin + (second ? count * sizeof(Word) : 0),
              count * sizeof(Word));
  return code;
}

constexpr std::uint32_t kFlagsOfCuda13 = 0x6005a04;
constexpr std::uint32_t kFlagsOfCuda12 = 0x5a0d5a;

TEST(FfmaRuns, AllButTheLastOfARunKeepTheOperand) {
  const std::vector<Word> before{ffma(7), ffma(7), ffma(7), ffma(7), ffma(7),
                                 ffma(9), ffma(9), other(), ffma(9), ffma(9)};
  for (const std::uint32_t flags : {kFlagsOfCuda13, kFlagsOfCuda12}) {
    std::string cubin = cubin_of(before, flags);
    EXPECT_EQ(set_ffma_runs(cubin, 3), 9);
    const std::vector<Word> after = code_of(cubin, before.size());
    const bool keeps[] = {true, true, false, true, false, true, false, false, true, false};
    for (std::size_t i = 0; i < after.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_EQ(after[i].low, before[i].low);
      const std::uint64_t ffma_bits = kStallOne | (keeps[i] ? kKeepB | kNoYield : 0);
      EXPECT_EQ(after[i].high, i == 7 ? before[i].high : ffma_bits);
    }
    EXPECT_EQ(code_of(cubin, before.size(), true)[0].high, before[0].high) << "not code";
  }
}

TEST(FfmaRuns, LeavesOtherImagesAlone) {
  const std::string hopper = cubin_of({ffma(1), ffma(1)}, kFlagsOfCuda13);
  std::string blackwell = cubin_of({ffma(1), ffma(1)}, 0x6006404);
  std::string text = ".version 9.0";
  for (std::string* image : {&blackwell, &text}) {
    const std::string before = *image;
    EXPECT_EQ(set_ffma_runs(*image, 8), 0);
    EXPECT_EQ(*image, before);
  }
  std::string cut = hopper.substr(0, hopper.size() - 8);  // in the last section's bytes
  EXPECT_EQ(set_ffma_runs(cut, 8), 2) << "only the section that is whole";
}

TEST(FfmaRuns, SourcesOfTwoWavesAskForThem) {
  EXPECT_EQ(ffma_runs_wanted("// nothing"), 0);
  EXPECT_EQ(ffma_runs_wanted(std::string(kFfmaRunsLine) + "16\nint x;"), 16);
  int asking = 0;
  for (const plan::GemmConfig& config : plan::gemm_configs()) {
    const int length = ffma_runs_wanted(plan::gemm_source(config));
    const bool two_waves = config.waves() > 1 && !config.swap_operands;
    EXPECT_EQ(length > 0, two_waves && config.scale_b == device::gemm::ScaleB::k128x128)
        << plan::gemm_tag(config);
    asking += length > 0;
  }
  EXPECT_GT(asking, 0);
}

}  // namespace
}  // namespace fathom::jit
