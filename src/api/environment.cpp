// The environment variables: the table, and ContextOptions::from_env over it. Front end.
#include "api/environment.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace fathom::api {
namespace {

[[noreturn]] void refuse(std::string_view name, const std::string& value, std::string_view needed) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("reading the environment: {} is \"{}\"; it needs {}; mend it or unset it",
                          name, value, needed));
}

template <typename Number>
Number parse_count(std::string_view name, const std::string& value) {
  Number number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end || number < 0) {
    refuse(name, value, "a whole number, 0 or more");
  }
  return number;
}

void set_num_threads(ContextOptions& options, const std::string& value) {
  options.num_threads = parse_count<int>("FATHOM_NUM_THREADS", value);
}

void set_cache_limit(ContextOptions& options, const std::string& value) {
  options.cache_limit_mib = parse_count<std::int64_t>("FATHOM_CACHE_LIMIT_MIB", value);
}

void set_compiler(ContextOptions& options, const std::string& value) {
  if (value != "nvrtc" && value != "nvcc" && value != "none") {
    refuse("FATHOM_COMPILER", value, "one of nvrtc, nvcc, none");
  }
  options.compiler = value;
}

void set_line_info(ContextOptions& options, const std::string& value) {
  if (value != "0" && value != "1") refuse("FATHOM_LINE_INFO", value, "0 or 1");
  options.line_info = value == "1";
}

// One call for the whole line, so that lines of several processes do not mix.
void write_to_standard_error(LogLevel level, std::string_view message) {
  const std::string line = fmt::format("fathom: {}: {}\n", to_string(level), message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void set_log(ContextOptions& options, const std::string& value) {
  for (const LogLevel level :
       {LogLevel::kOff, LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo, LogLevel::kDebug}) {
    if (value != to_string(level)) continue;
    options.log_level = level;
    if (level != LogLevel::kOff) options.log = write_to_standard_error;
    return;
  }
  refuse("FATHOM_LOG", value, "one of off, error, warning, info, debug");
}

template <std::string ContextOptions::*kField>
void set_text(ContextOptions& options, const std::string& value) {
  options.*kField = value;
}

constexpr std::array kVariables = {
    EnvironmentVariable{
        "FATHOM_LOG", "log_level", "off",
        "Messages to standard error, up to this level: off, error, warning, info or debug.",
        set_log},
    EnvironmentVariable{"FATHOM_NUM_THREADS", "num_threads", "0",
                        "Cores for the CPU backend; 0 = every core that the process may use.",
                        set_num_threads},
    EnvironmentVariable{"FATHOM_CACHE_DIR", "cache_dir",
                        "$XDG_CACHE_HOME/fathom, else $HOME/.cache/fathom",
                        "Directory of compiled kernels; made when first needed.",
                        set_text<&ContextOptions::cache_dir>},
    EnvironmentVariable{"FATHOM_LIBCUDA", "libcuda", "libcuda.so.1",
                        "The CUDA driver library to load.", set_text<&ContextOptions::libcuda>},
    EnvironmentVariable{"FATHOM_NVRTC", "nvrtc", "searched",
                        "The run-time compiler library (libnvrtc) to load, or its directory.",
                        set_text<&ContextOptions::nvrtc>},
    EnvironmentVariable{"FATHOM_COMPILER", "compiler", "nvrtc",
                        "What compiles kernels: nvrtc, nvcc, or none (only what a cache holds).",
                        set_compiler},
    EnvironmentVariable{"FATHOM_SYSTEM_CACHE_DIR", "system_cache_dir", "none",
                        "Directory of compiled kernels that is only read, under the first.",
                        set_text<&ContextOptions::system_cache_dir>},
    EnvironmentVariable{
        "FATHOM_CACHE_LIMIT_MIB", "cache_limit_mib", "1024",
        "Size of the first in MiB; kernels used longest ago are removed beyond it; 0 = no limit.",
        set_cache_limit},
    EnvironmentVariable{"FATHOM_SITE_PACKAGES", "site_packages", "none",
                        "Directories of Python packages, with `:` between them, where the wheels "
                        "of the run-time compiler and of OpenBLAS are looked for first.",
                        set_text<&ContextOptions::site_packages>},
    EnvironmentVariable{"FATHOM_LINE_INFO", "line_info", "0",
                        "1 = kernels carry the source lines that profilers show.", set_line_info},
    EnvironmentVariable{"FATHOM_OPENBLAS", "openblas", "searched",
                        "The OpenBLAS library to load for the CPU backend.",
                        set_text<&ContextOptions::openblas>},
};

}  // namespace

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::span<const EnvironmentVariable> environment_variables() {
  return kVariables;
}

std::string environment_table() {
  std::string table =
      "| variable | field of ContextOptions | default | meaning |\n|---|---|---|---|\n";
  for (const EnvironmentVariable& variable : kVariables) {
    table += fmt::format("| `{}` | `{}` | {} | {} |\n", variable.name, variable.field,
                         variable.default_value, variable.meaning);
  }
  return table;
}

std::string default_cache_dir() {
  // The XDG base directory rules: a relative path counts as unset.
  if (const std::string base = environment_value("XDG_CACHE_HOME"); base.starts_with('/'))
    return base + "/fathom";
  if (const std::string home = environment_value("HOME"); home.starts_with('/'))
    return home + "/.cache/fathom";
  return {};
}

}  // namespace fathom::api

namespace fathom {

ContextOptions ContextOptions::from_env() {
  ContextOptions options;
  for (const api::EnvironmentVariable& variable : api::kVariables) {
    const std::string value = api::environment_value(variable.name.data());
    if (!value.empty()) variable.apply(options, value);
  }
  return options;
}

}  // namespace fathom
