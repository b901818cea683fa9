// fathom compile: kernels of the closed set, ahead of time, without a GPU. Command-line layer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fathom/error.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/compile.hpp"
#include "api/cuda_runtime.hpp"
#include "backend.hpp"
#include "help.hpp"
#include "jit/builder.hpp"
#include "json_report.hpp"
#include "output_file.hpp"
#include "plan/kernel_set.hpp"
#include "progress.hpp"

namespace fathom::cli {
namespace {

struct CompileFlags {
  bool all = false;
  std::vector<std::string> tags;
  int jobs = 0;
  std::string output;
};

using Job = plan::KernelText;

std::vector<Job> jobs_of(const CompileFlags& flags) {
  if (flags.all != flags.tags.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "compile: give --all or --config TAG ..., one of the two");
  }
  if (flags.all) return plan::all_kernels();
  std::vector<Job> jobs;
  for (const std::string& tag : flags.tags) {
    std::optional<Job> job = plan::find_kernel(tag);
    if (!job) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("compile: there is no config \"{}\"; fathom compile --list names all", tag));
    }
    jobs.push_back(std::move(*job));
  }
  return jobs;
}

using Kernels = std::vector<std::shared_ptr<const jit::Kernel>>;

Kernels build(jit::Builder& builder, const std::vector<Job>& jobs, int threads) {
  Progress progress("compiling", static_cast<std::int64_t>(jobs.size()));
  return api::build_kernels(builder, jobs, threads, [&progress] { progress.advance(1); });
}

std::filesystem::path output_directory(const std::string& given) {
  std::filesystem::path directory = std::filesystem::absolute(given).lexically_normal();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("compile: cannot make the output directory {}: {}",
                                            directory.native(), error.message()));
  }
  return directory;
}

/// Writes TAG.cubin for each kernel; without a directory checks that a cache keeps each.
std::vector<std::string> deliver(const std::vector<Job>& jobs, const Kernels& kernels,
                                 const std::filesystem::path& directory) {
  std::vector<std::string> paths(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!directory.empty()) {
      paths[i] = (directory / (jobs[i].tag + ".cubin")).native();
      write_text_file(paths[i], kernels[i]->image);
    } else if (!kernels[i]->on_disk) {
      throw Error(ErrorCode::kCache,
                  fmt::format("compile: {} was compiled but could not be kept in the cache; set "
                              "FATHOM_CACHE_DIR to a directory of your own, or give -o DIR",
                              jobs[i].name));
    }
  }
  return paths;
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Report report_of(const std::vector<Job>& jobs, const Kernels& kernels,
                 const std::vector<std::string>& paths, Json json) {
  std::string text = fmt::format("{:<44} {:>9} {:>6} {:>9} {:>8}  {}\n", "kernel", "registers",
                                 "spills", "bytes", "ms", "cached");
  std::vector<double> compile_times;
  json["kernels"] = Json::array();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const jit::Kernel& kernel = *kernels[i];
    const bool cached = kernel.origin != jit::Origin::kCompiled;
    if (!cached) compile_times.push_back(kernel.milliseconds);
    json["kernels"].push_back(Json{{"name", kernel.name},
                                   {"tag", jobs[i].tag},
                                   {"path", paths[i].empty() ? Json() : Json(paths[i])},
                                   {"bytes", kernel.image.size()},
                                   {"registers", kernel.use.registers},
                                   {"spill_bytes", kernel.use.spill_bytes},
                                   {"ms", kernel.milliseconds},
                                   {"cached", cached}});
    text += fmt::format("{:<44} {:>9} {:>6} {:>9} {:>8.1f}  {}\n", kernel.name,
                        kernel.use.registers, kernel.use.spill_bytes, kernel.image.size(),
                        kernel.milliseconds, cached ? "yes" : "no");
  }
  const double worst =
      compile_times.empty() ? 0 : *std::max_element(compile_times.begin(), compile_times.end());
  const double median = median_of(compile_times);
  json["compiled"] =
      Json{{"count", compile_times.size()}, {"median_ms", median}, {"worst_ms", worst}};
  text += fmt::format("{}, {} compiled now (median {:.0f} ms, worst {:.0f} ms) with {}\n",
                      counted(jobs.size(), "kernel"), compile_times.size(), median, worst,
                      json["compiler"].get<std::string>());
  return make_report(json, text);
}

Report list_tags() {
  Json json = new_object();
  json["configs"] = Json::array();
  std::string text;
  for (const Job& kernel : plan::all_kernels()) {
    json["configs"].push_back(kernel.tag);
    text += kernel.tag + "\n";
  }
  return make_report(json, text);
}

Report compile(const CompileFlags& flags) {
  const std::vector<Job> jobs = jobs_of(flags);
  const std::filesystem::path directory =
      flags.output.empty() ? std::filesystem::path() : output_directory(flags.output);
  const Context context = make_context();
  jit::Builder builder(api::builder_options(context, api::driver_major(context)),
                       embedded::device_sources());
  builder.require_compiler("compile");
  const int threads = static_cast<int>(std::min<std::size_t>(
      static_cast<std::size_t>(flags.jobs > 0 ? flags.jobs : context.options().num_threads),
      jobs.size()));
  const auto start = std::chrono::steady_clock::now();
  const Kernels kernels = build(builder, jobs, threads);
  const std::vector<std::string> paths = deliver(jobs, kernels, directory);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;

  Json json = new_object();
  json["compiler"] = builder.compiler()->identity();
  json["compiler_path"] = builder.compiler()->location();
  json["cache"] = builder.cache().directory().native();
  json["jobs"] = threads;
  json["seconds"] = elapsed.count();
  return report_of(jobs, kernels, paths, std::move(json));
}

}  // namespace

Action add_compile(CLI::App& verb) {
  auto flags = std::make_shared<CompileFlags>();
  auto list = std::make_shared<bool>(false);
  verb.add_flag("--all", flags->all, "Every kernel that the planner may choose");
  verb.add_option("--config", flags->tags, "The kernels of these configs")->type_name("TAG");
  verb.add_flag("--list", *list, "Print the tags of all configs and compile nothing")
      ->excludes("--all")
      ->excludes("--config");
  verb.add_option("--jobs,-j", flags->jobs, "Kernels compiled at once; 0 = one a core")
      ->type_name("COUNT")
      ->check(whole_number(0, 1024))
      ->capture_default_str();
  verb.add_option("--output,-o", flags->output,
                  "Write DIR/TAG.cubin; without it the kernels are kept in the cache alone")
      ->type_name("DIR");
  verb.footer(
      "Examples:\n"
      "  fathom compile --all\n"
      "  fathom compile --all --jobs 8 -o cubins --json\n");
  return [flags, list](const CommonFlags&) { return *list ? list_tags() : compile(*flags); };
}

}  // namespace fathom::cli
