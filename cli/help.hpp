// The help texts, in a form of our own: docs/command_line.md is made of them and must not depend on
// the version of CLI11. Command-line layer; heavy: include from .cpp files of cli/ only.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace fathom::cli {

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override;
};

/// The group of flags that only a GPU has a meaning for, under a title of its own.
inline constexpr char kGpuGroup[] = "GPU";

/// An option that takes one of a few words.
CLI::Option* add_choice(CLI::App& verb, const std::string& name, std::string& value,
                        std::vector<std::string> words, const std::string& description);

/// Checks for options that take a whole number: CLI11 alone takes 010 for 8 and 2^64 for 2^64 - 1.
/// The help names both ends where both are given.
CLI::Validator whole_number(std::int64_t least, std::int64_t most);
/// Up to the largest extent.
CLI::Validator whole_number(std::int64_t least);
/// Up to 2^64 - 1; returns what is wrong, "" if nothing is.
std::string check_uint64(const std::string& given);

}  // namespace fathom::cli
