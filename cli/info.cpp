// fathom info: what this build is and what it finds here. Command-line layer.
#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fathom/context.hpp>
#include <fstream>

#include "api/environment.hpp"
#include "backend.hpp"
#include "json_report.hpp"

namespace fathom::cli {
namespace {

Json build_json() {
  Json json;
#ifdef NDEBUG
  json["type"] = "optimised";
#else
  json["type"] = "debug";
#endif
#ifdef __clang__
  json["compiler"] = "clang " __clang_version__;
#else
  json["compiler"] = "gcc " __VERSION__;
#endif
  return json;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown";
}

/// Cores that this process may use.
int usable_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

Json settings_json() {
  Json settings = Json::array();
  for (const api::EnvironmentVariable& variable : api::environment_variables()) {
    const char* given = std::getenv(std::string(variable.name).c_str());
    const bool is_set = given != nullptr && *given != '\0';
    settings.push_back(Json{{"name", variable.field},
                            {"variable", variable.name},
                            {"value", is_set ? given : std::string(variable.default_value)},
                            {"source", is_set ? "environment" : "default"}});
  }
  return settings;
}

Report info(const CommonFlags& common) {
  const Context context = make_context();
  chosen_backend(common, context);
  Json json = new_object();
  json["version"] = version();
  json["commit"] = commit();
  json["build"] = build_json();
  json["cpu"] = Json{{"model", cpu_model()}, {"cores", usable_cores()}};
  const int threads = context.options().num_threads;
  json["threads"] = threads > 0 ? threads : usable_cores();
  json["cache_dir"] =
      context.options().cache_dir.empty() ? api::default_cache_dir() : context.options().cache_dir;
  json["settings"] = settings_json();
  std::string text = fmt::format("fathom {} ({}), {}, {}\n", version(), commit(),
                                 json["build"]["compiler"].get<std::string>(),
                                 json["build"]["type"].get<std::string>());
  text +=
      fmt::format("cpu        {}, {} cores, {} threads\n", json["cpu"]["model"].get<std::string>(),
                  usable_cores(), json["threads"].get<int>());
  text += fmt::format("cache      {}\n", json["cache_dir"].get<std::string>());
  for (const Json& setting : json["settings"]) {
    text += fmt::format("{:<20} {}  ({})\n", setting["variable"].get<std::string>(),
                        setting["value"].get<std::string>(), setting["source"].get<std::string>());
  }
  return make_report(json, text);
}

}  // namespace

Action add_info(CLI::App& verb) {
  verb.footer("Examples:\n  fathom info\n  fathom info --json\n");
  return info;
}

}  // namespace fathom::cli
