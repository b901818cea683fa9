// The help texts, in a form of our own: docs/command_line.md is made of them and must not depend on
// the version of CLI11. Command-line layer; heavy: include from .cpp files of cli/ only.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace fathom::cli {

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override;
};

/// An option that takes one of a few words.
CLI::Option* add_choice(CLI::App& verb, const std::string& name, std::string& value,
                        std::vector<std::string> words, const std::string& description);

/// A check for options that take a whole number: CLI11 alone takes 010 for 8 and 2^64 for 2^64 - 1.
/// Returns what is wrong, "" if nothing is.
std::string check_int64(const std::string& given);
std::string check_uint64(const std::string& given);

}  // namespace fathom::cli
