// Verbs, common flags, the two forms of output, and errors. Command-line layer.
#include "command_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fathom/error.hpp>
#include <new>
#include <vector>

#include "exit_code.hpp"
#include "help.hpp"
#include "interrupt.hpp"
#include "json_report.hpp"
#include "verb.hpp"

namespace fathom::cli {
namespace {

struct Verb {
  const char* name;
  const char* description;
  Action (*add)(CLI::App&);
};

constexpr Verb kVerbs[] = {
    {"info", "What this build is and what it finds on this machine", add_info},
    {"plan", "What would run for a problem, and why; computes nothing", add_plan},
    {"schedule", "The tiles of a product in the order in which a GPU would compute them",
     add_schedule},
    {"quantize", "Cast the matrices of a safetensors file to FP8 with 128x128 scales",
     add_quantize},
    {"run", "Multiply two tensors of safetensors files", add_run},
    {"verify", "Multiply made-up data and check the product against the FP64 reference",
     add_verify},
    {"bench", "Measure the time of products; compare two measurements", add_bench},
    {"compile", "Compile GPU kernels ahead; needs no GPU", add_compile},
    {"cache", "The kernels that were compiled on this machine", add_cache},
    {"balance", "Place experts and their replicas on GPUs by their load", add_balance},
};

constexpr char kFooter[] =
    "Exit codes: 0 ok, 1 a check failed, 2 usage or bad input, 3 unsupported, 4 no device or\n"
    "compiler, 5 a file that is missing, unwritable or does not fit, 6 driver or internal\n"
    "failure, 130 interrupted.\n"
    "Examples:\n"
    "  fathom info\n"
    "  fathom verify --op gemm --m 64 --n 2112 --k 7168 --json\n"
    "  fathom quantize model.safetensors -o model_fp8.safetensors\n";

void add_common_flags(CLI::App& app, CommonFlags& flags) {
  app.add_flag("--json", flags.json, "Print exactly one JSON object on standard output")
      ->group("Common");
  add_choice(
      app, "--backend", flags.backend, {"auto", "cpu", "cuda", "reference", "emulator"},
      "What computes; auto: the GPU where there is a Hopper GPU, else the cpu; emulator (plan, "
      "run, verify): the GPU kernels on this machine's cores, slowly")
      ->group("Common");
  app.add_option("--seed", flags.seed, "Seed of all made-up data")
      ->type_name("N")
      ->check(check_uint64)
      ->capture_default_str()
      ->group("Common");
}

/// Writes all of it or reports that it could not: a full disk behind standard output must not look
/// like success.
int print_result(const std::string& text, int exit_code) {
  result_printed();
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return exit_code;
  }
  std::fprintf(stderr, "fathom: cannot write standard output\n");
  return kFileTrouble;
}

int print_error(bool json, std::string_view code, const std::string& message, int exit_code) {
  if (!json) {
    std::fprintf(stderr, "fathom: %s\n", message.c_str());
    return exit_code;
  }
  Json object = new_object();
  object["error"] = Json{{"code", code}, {"message", message}};
  return print_result(dump(object) + "\n", exit_code);
}

int print_report(const Report& report, bool json) {
  return print_result(json ? report.json + "\n" : report.text, report.passed ? kOk : kCheckFailed);
}

Report version_report() {
  Json object = new_object();
  object["version"] = version();
  object["commit"] = commit();
  return make_report(object,
                     "fathom " + std::string(version()) + " (" + std::string(commit()) + ")\n");
}

Report help_report(const CLI::App& app) {
  const std::string text = app.help();
  Json object = new_object();
  object["help"] = text;
  return make_report(object, text);
}

/// What CLI11 says, but of values in the words of the help.
std::string message_of(const CLI::ParseError& error) {
  std::string message = error.what();
  if (error.get_name() != "ArgumentMismatch") return message;
  const std::string flag = message.substr(0, message.find(": "));
  return message.ends_with(" missing") ? flag + " is given without a value"
                                       : flag + " is given more than once";
}

/// The message, the verb and where to read of it. CLI11 takes a word that is no verb for a verb
/// that is missing.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string path = "fathom", message = message_of(error);
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) {
    last = last->get_subcommands().front();
    path += " " + last->get_name();
  }
  const std::vector<std::string> words = app.remaining(true);
  if (last->get_require_subcommand_min() > 0 && !words.empty()) {
    message = fmt::format("\"{}\" is no verb or flag", words.front());
  } else if (last->get_require_subcommand_min() > 0 && error.get_name() == "RequiredError") {
    message = "the verb is missing";
  }
  return fmt::format("{}; see \"{} --help\"", message, path);
}

Report parse_and_run(int argc, char** argv, CommonFlags& flags) {
  CLI::App app("FP8 matrix multiplication with fine-grained scaling", "fathom");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.require_subcommand(1);
  bool version_asked = false;
  app.add_flag("--version", version_asked, "Print version and commit")->trigger_on_parse();
  add_common_flags(app, flags);
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.description);
    sub->fallthrough();
    add_common_flags(*sub, flags);
    actions.emplace_back(sub, verb.add(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return help_report(app);
  } catch (const CLI::ParseError& error) {
    if (version_asked) return version_report();
    throw Error(ErrorCode::kInvalidArgument, usage_error(app, error));
  }
  if (version_asked) return version_report();
  for (const auto& [sub, action] : actions) {
    if (sub->parsed()) return action(flags);
  }
  throw Error(ErrorCode::kInternal, "fathom: no verb was run");
}

}  // namespace

int run_command(int argc, char** argv) {
  CommonFlags flags;
  // Looked for by hand as well: an error of the parser itself must know whether it is to be JSON.
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    json = json || std::string_view(argv[i]) == "--json";
    flags.command_line += std::string(i > 1 ? " " : "fathom ") + argv[i];
  }
  handle_interrupts(json);
  try {
    const Report report = parse_and_run(argc, argv, flags);
    return print_report(report, json || flags.json);
  } catch (const Error& error) {
    return print_error(json || flags.json, to_string(error.code()), error.what(),
                       exit_code(error.code()));
  } catch (const std::bad_alloc&) {
    return print_error(
        json, "out_of_memory",
        "there is not enough memory for this problem; make it smaller, or raise the limit",
        kFailure);
  } catch (const std::exception& error) {
    return print_error(json, to_string(ErrorCode::kInternal), error.what(), kFailure);
  }
}

}  // namespace fathom::cli
