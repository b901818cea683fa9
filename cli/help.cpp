// Formats help texts. Command-line layer.
#include "help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

#include "api/tensor_check.hpp"

namespace fathom::cli {
namespace {

std::string usage(const CLI::App* app, const std::string& name) {
  std::string text = "Usage: " + name;
  if (!app->get_subcommands({}).empty()) {
    text += app->get_require_subcommand_min() > 0 ? " VERB" : " [VERB]";
  }
  for (const CLI::Option* option : app->get_options()) {
    if (option->get_positional()) text += " " + option->get_name();
  }
  return text + " [flags]\n";
}

std::string option_text(const CLI::Option* option) {
  const std::string name = option->get_name(option->get_positional(), true);
  const std::string type = option->get_positional() ? "" : option->get_type_name();
  std::string text = fmt::format("  {}{}{}", name, type.empty() ? "" : " ", type);
  if (option->get_required()) text += " (required)";
  if (!option->get_default_str().empty()) text += fmt::format(" [{}]", option->get_default_str());
  return fmt::format("{}\n      {}\n", text, option->get_description());
}

/// What is wrong with it, "" if nothing is.
template <typename T>
std::string check_whole_number(const std::string& given, T least, T most) {
  T value = 0;
  const char* end = given.data() + given.size();
  const auto [stop, error] = std::from_chars(given.data(), end, value);
  // The text of a number that is written without leading zeros is the number's own.
  const bool read = error == std::errc() && stop == end && fmt::to_string(value) == given;
  if (read && value >= least && value <= most) return "";
  return fmt::format("\"{}\" is no whole number from {} to {}{}", given, least, most,
                     read ? "" : "; write it in decimal, without leading zeros");
}

CLI::Validator whole_number(std::int64_t least, std::int64_t most, const std::string& shown) {
  return {[=](std::string& given) { return check_whole_number(given, least, most); }, shown};
}

}  // namespace

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  return whole_number(least, most, fmt::format("{}..{}", least, most));
}

CLI::Validator whole_number(std::int64_t least) {
  return whole_number(least, api::kMaxExtent, "");
}

std::string check_uint64(const std::string& given) {
  return check_whole_number<std::uint64_t>(given, 0, std::numeric_limits<std::uint64_t>::max());
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode) const {
  std::string text = app->get_description() + "\n\n" + usage(app, name);
  const std::vector<const CLI::App*> verbs = app->get_subcommands(
      std::function<bool(const CLI::App*)>([](const CLI::App*) { return true; }));
  if (!verbs.empty()) text += "\nVerbs:\n";
  for (const CLI::App* verb : verbs) {
    text += fmt::format("  {:<10} {}\n", verb->get_name(), verb->get_description());
  }
  const auto add_group = [&](const std::string& title, const std::string& group) {
    std::string lines;
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_group() == group) lines += option_text(option);
    }
    if (!lines.empty()) text += "\n" + title + ":\n" + lines;
  };
  add_group("Flags", "Options");
  add_group("Flags for a Hopper GPU", kGpuGroup);
  add_group("Flags of every verb", "Common");
  if (!app->get_footer().empty()) text += "\n" + app->get_footer();
  return text;
}

CLI::Option* add_choice(CLI::App& verb, const std::string& name, std::string& value,
                        std::vector<std::string> words, const std::string& description) {
  const std::string all = fmt::format("{}", fmt::join(words, "|"));
  const auto check = [words = std::move(words), all](const std::string& given) {
    return std::find(words.begin(), words.end(), given) != words.end()
               ? std::string()
               : fmt::format("\"{}\" is none of {}", given, all);
  };
  return verb.add_option(name, value, description)
      ->check(check)
      ->type_name(all)
      ->capture_default_str();
}

}  // namespace fathom::cli
