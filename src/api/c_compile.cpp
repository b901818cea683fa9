// The C ABI of compile. Front end; decides nothing.
#include <fathom/compile.hpp>
#include <nlohmann/json.hpp>

#include "api/c_handles.hpp"

namespace {

using fathom::api::guarded;
using fathom::api::read_struct;
using fathom::api::refuse;
using fathom::api::required;

fathom_compile_args read_args(const fathom_compile_args* given) {
  constexpr std::string_view kFunction = "fathom_compile";
  const fathom_compile_args c = read_struct(given, kFunction, "fathom_compile_args");
  if (c.reserved != 0) refuse("{}: reserved is {}; it needs 0", kFunction, c.reserved);
  if (c.num_configs < 0)
    refuse("{}: num_configs is {}; it needs 0 or more", kFunction, c.num_configs);
  if (c.num_configs > 0) required(c.configs, kFunction, "configs");
  return c;
}

std::vector<std::string> configs_of(const fathom_compile_args& args) {
  if (args.configs == nullptr) return fathom::all_configs();
  std::vector<std::string> configs;
  for (std::int64_t i = 0; i < args.num_configs; ++i)
    configs.emplace_back(required(args.configs[i], "fathom_compile", "a tag of configs"));
  return configs;
}

std::string json_of(const std::vector<fathom::CompiledKernel>& kernels) {
  nlohmann::ordered_json json;
  json["kernels"] = nlohmann::ordered_json::array();
  for (const fathom::CompiledKernel& kernel : kernels)
    json["kernels"].push_back({{"config", kernel.config},
                               {"name", kernel.name},
                               {"bytes", kernel.bytes},
                               {"registers", kernel.registers},
                               {"spill_bytes", kernel.spill_bytes},
                               {"ms", kernel.milliseconds},
                               {"cached", kernel.cached},
                               {"on_disk", kernel.on_disk}});
  return json.dump();
}

}  // namespace

fathom_status fathom_all_configs(const char* const** configs, int64_t* count) {
  return guarded([&] {
    required(configs, "fathom_all_configs", "configs");
    required(count, "fathom_all_configs", "count");
    static const fathom::api::TextList list(fathom::all_configs());
    *configs = list.data();
    *count = list.size();
  });
}

fathom_status fathom_compile(fathom_context* context, const fathom_compile_args* args,
                             const char** json) {
  return guarded([&] {
    required(context, "fathom_compile", "context");
    const fathom_compile_args c = read_args(args);
    fathom::CompileOptions options;
    options.jobs = c.jobs;
    if (c.progress != nullptr)
      options.progress = [&c](std::int64_t done, std::int64_t total) {
        if (c.progress(c.progress_user_data, done, total) == 0) return;
        throw fathom::Error(
            fathom::ErrorCode::kCompileFailed,
            fmt::format("compile: stopped by the progress callback after {} of {} kernels; what is "
                        "done stays in the cache",
                        done, total));
      };
    const auto kernels = fathom::compile(context->context, configs_of(c), options);
    if (json == nullptr) return;
    thread_local std::string text;
    text = json_of(kernels);
    *json = text.c_str();
  });
}
