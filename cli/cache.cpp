// fathom cache: what lies in the kernel caches of this user and this machine. Command-line layer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fathom/error.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "api/cuda_runtime.hpp"
#include "backend.hpp"
#include "jit/builder.hpp"
#include "json_report.hpp"

namespace fathom::cli {
namespace {

using File = jit::DiskCache::File;

struct Layer {
  const char* name;
  jit::DiskCache* cache;
};

/// The builder's caches; the system's only where one is set. Throws Error(kCache) when one cannot
/// be used.
std::vector<Layer> layers_of(jit::Builder& builder) {
  if (builder.cache().directory().empty()) {
    throw Error(ErrorCode::kCache,
                "cache: there is no place for one: FATHOM_CACHE_DIR is unset, and XDG_CACHE_HOME "
                "and HOME are unset or no absolute paths; set one of them");
  }
  std::vector<Layer> layers = {{"user", &builder.cache()}};
  if (!builder.system_cache().directory().empty()) {
    layers.push_back({"system", &builder.system_cache()});
  }
  for (const Layer& layer : layers) {
    const std::string problem = layer.cache->problem();
    if (!problem.empty()) {
      throw Error(ErrorCode::kCache, fmt::format("cache: the {} cache: {}", layer.name, problem));
    }
  }
  return layers;
}

Json header(const std::vector<Layer>& layers) {
  Json json = new_object();
  json["path"] = layers[0].cache->directory().native();
  json["system_path"] = layers.size() > 1 ? Json(layers[1].cache->directory().native()) : Json();
  return json;
}

Report show_path(const std::vector<Layer>& layers) {
  std::string text;
  for (const Layer& layer : layers) text += layer.cache->directory().native() + "\n";
  return make_report(header(layers), text);
}

Report list_files(const std::vector<Layer>& layers) {
  Json json = header(layers);
  json["kernels"] = Json::array();
  std::string text;
  std::int64_t total = 0;
  for (const Layer& layer : layers) {
    for (const File& file : layer.cache->list()) {
      total += file.bytes;
      Json item{{"layer", layer.name}, {"path", file.path.native()}, {"bytes", file.bytes}};
      item["used_seconds_ago"] = file.used_seconds_ago;
      if (file.entry) {
        item["name"] = file.entry->name;
        item["architecture"] = file.entry->architecture;
        item["compiler"] = file.entry->compiler;
        item["registers"] = file.entry->use.registers;
        item["spill_bytes"] = file.entry->use.spill_bytes;
      } else {
        item["problem"] = file.problem;
      }
      text += fmt::format("{:<6} {:<44} {:>9} bytes  {}\n", layer.name,
                          file.entry ? file.entry->name : file.path.filename().native(), file.bytes,
                          file.entry ? file.entry->compiler : file.problem);
      json["kernels"].push_back(std::move(item));
    }
  }
  json["bytes"] = total;
  text += fmt::format("{}, {} bytes in {}\n", counted(json["kernels"].size(), "kernel"), total,
                      layers[0].cache->directory().native());
  return make_report(json, text);
}

Report verify_files(const std::vector<Layer>& layers) {
  Json json = header(layers);
  json["damaged"] = Json::array();
  std::string text;
  std::int64_t checked = 0;
  for (const Layer& layer : layers) {
    for (const File& file : layer.cache->list()) {
      ++checked;
      if (file.entry) continue;
      json["damaged"].push_back(Json{{"path", file.path.native()}, {"problem", file.problem}});
      text += fmt::format("{} {}\n", file.path.native(), file.problem);
    }
  }
  json["checked"] = checked;
  const std::size_t damaged = json["damaged"].size();
  text +=
      fmt::format("{} checked, {} damaged{}\n", counted(checked, "kernel"), damaged,
                  damaged > 0 ? " (each counts as a miss and is replaced when it is needed)" : "");
  return make_report(json, text, damaged == 0);
}

Report clear_files(const std::vector<Layer>& layers) {
  Json json = header(layers);
  const std::int64_t removed = layers[0].cache->clear();
  json["removed"] = removed;
  return make_report(json, fmt::format("{} removed from {}\n", counted(removed, "kernel"),
                                       layers[0].cache->directory().native()));
}

struct Command {
  const char* name;
  const char* description;
  Report (*run)(const std::vector<Layer>&);
};

constexpr Command kCommands[] = {
    {"path", "Print where it lies", show_path},
    {"list", "List the kernels", list_files},
    {"verify", "Check every kernel's checksum; exit code 1 when one is damaged", verify_files},
    {"clear", "Remove the user's kernels and refused sources; the system's stay", clear_files},
};

}  // namespace

Action add_cache(CLI::App& verb) {
  verb.require_subcommand(1);
  std::vector<std::pair<const CLI::App*, const Command*>> commands;
  for (const Command& command : kCommands) {
    CLI::App* sub = verb.add_subcommand(command.name, command.description);
    sub->fallthrough();
    sub->footer(
        fmt::format("Examples:\n  fathom cache {0}\n  fathom cache {0} --json\n", command.name));
    commands.emplace_back(sub, &command);
  }
  verb.footer("Examples:\n  fathom cache path\n  fathom cache verify --json\n");
  return [commands](const CommonFlags&) {
    const Context context = make_context();
    jit::Builder builder(api::builder_options(context, 0), embedded::device_sources());
    for (const auto& [sub, command] : commands) {
      if (sub->parsed()) return command->run(layers_of(builder));
    }
    throw Error(ErrorCode::kInternal, "cache: no subcommand was run");
  };
}

}  // namespace fathom::cli
