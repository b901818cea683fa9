// fathom info: what this build is and what it finds here. Command-line layer.
#include <fmt/format.h>

#include <fathom/context.hpp>

#include "api/cuda_runtime.hpp"
#include "api/environment.hpp"
#include "backend.hpp"
#include "cpu/blas.hpp"
#include "cuda/device.hpp"
#include "help.hpp"
#include "json_report.hpp"
#include "machine.hpp"

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

Json openblas_json(const ContextOptions& options) {
  cpu::Blas blas(options.openblas, options.site_packages);
  try {
    blas.load();
    return Json{{"found", true}, {"path", blas.library()}};
  } catch (const Error& error) {
    return Json{{"found", false}, {"reason", error.what()}};
  }
}

Json gpu_json(const cuda::DeviceInfo& device) {
  return Json{
      {"index", device.ordinal},
      {"name", device.name},
      {"compute_capability", fmt::format("{}.{}", device.compute_major, device.compute_minor)},
      {"sms", device.num_sms},
      {"memory_bytes", device.memory_bytes}};
}

/// The driver and its devices. `version` gets 13000 for 13.0, or 0.
Json driver_json(const ContextOptions& options, Json& gpus, int& version) {
  gpus = Json::array();
  version = 0;
  try {
    const cuda::Driver& driver = cuda::Driver::load(options.libcuda);
    version = driver.version();
    for (int i = 0; i < driver.device_count(); ++i) {
      gpus.push_back(gpu_json(driver.device(i).info()));
    }
    return Json{{"found", true},
                {"path", driver.path()},
                {"cuda_version", fmt::format("{}.{}", version / 1000, version % 1000 / 10)}};
  } catch (const Error& error) {
    return Json{{"found", false}, {"reason", error.what()}};
  }
}

Json compiler_json(const Context& context, int driver_version) {
  jit::Builder builder(api::builder_options(context, driver_version / 1000),
                       embedded::device_sources());
  const std::shared_ptr<jit::Compiler> compiler = builder.compiler();
  if (compiler == nullptr) return Json{{"found", false}, {"reason", builder.compiler_report()}};
  return Json{{"found", true}, {"name", compiler->identity()}, {"path", compiler->location()}};
}

Json settings_json() {
  Json settings = Json::array();
  for (const api::EnvironmentVariable& variable : api::environment_variables()) {
    const std::string given = api::environment_value(std::string(variable.name).c_str());
    const bool is_set = !given.empty();
    settings.push_back(Json{{"name", variable.field},
                            {"variable", variable.name},
                            {"value", is_set ? given : std::string(variable.default_value)},
                            {"source", is_set ? "environment" : "default"}});
  }
  return settings;
}

std::string found_text(const std::string& what, const Json& json) {
  if (!json["found"].get<bool>()) {
    return fmt::format("{:<10} not found: {}\n", what, json["reason"].get<std::string>());
  }
  return fmt::format(
      "{:<10} {}{}\n", what, json["path"].get<std::string>(),
      json.contains("cuda_version") ? ", CUDA " + json["cuda_version"].get<std::string>() : "");
}

std::string info_text(const Json& json) {
  const Json& cpu = json["cpu"];
  std::string text =
      fmt::format("fathom {} ({}), {}, {}\n", json["version"].get<std::string>(),
                  json["commit"].get<std::string>(), json["build"]["compiler"].get<std::string>(),
                  json["build"]["type"].get<std::string>());
  text += fmt::format("{:<10} {}, {} cores, {} threads\n", "cpu", cpu["model"].get<std::string>(),
                      cpu["cores"].get<int>(), cpu["threads"].get<int>());
  text += found_text("openblas", json["openblas"]);
  text += found_text("driver", json["driver"]);
  for (const Json& gpu : json["gpus"]) {
    text += fmt::format("gpu {:<6} {}, compute capability {}, {} SMs, {:.0f} GB\n",
                        gpu["index"].get<int>(), gpu["name"].get<std::string>(),
                        gpu["compute_capability"].get<std::string>(), gpu["sms"].get<int>(),
                        gpu["memory_bytes"].get<double>() / 1e9);
  }
  text += found_text("compiler", json["compiler"]);
  text += fmt::format("{:<10} {}\n", "cache", json["cache_dir"].get<std::string>());
  for (const Json& setting : json["settings"]) {
    text += fmt::format("{:<24} {}  ({})\n", setting["variable"].get<std::string>(),
                        setting["value"].get<std::string>(), setting["source"].get<std::string>());
  }
  return text;
}

Report info(const CommonFlags& common) {
  const Context context = make_context();
  const ContextOptions& options = context.options();
  chosen_backend(common, context);
  Json json = new_object();
  json["version"] = version();
  json["commit"] = commit();
  json["build"] = build_json();
  json["cpu"] = cpu_json(options);
  json["threads"] = options.num_threads;
  json["openblas"] = openblas_json(options);
  int driver_version = 0;
  Json gpus;
  json["driver"] = driver_json(options, gpus, driver_version);
  json["gpus"] = gpus;
  json["compiler"] = compiler_json(context, driver_version);
  json["cache_dir"] = options.cache_dir;
  json["settings"] = settings_json();
  return make_report(json, info_text(json));
}

}  // namespace

Action add_info(CLI::App& verb) {
  verb.footer("Examples:\n  fathom info\n  fathom info --json\n");
  return info;
}

}  // namespace fathom::cli
