// nvcc as a child process. JIT layer.
#include "jit/nvcc.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include <fathom/error.hpp>

#include "support/files.hpp"
#include "support/subprocess.hpp"

namespace fathom::jit {

std::string parse_nvcc_version(const std::string& text) {
  const std::size_t release = text.find("release ");
  if (release == std::string::npos) return "";
  const std::size_t begin = text.find(", V", release);
  if (begin == std::string::npos) return "";
  const std::size_t end = text.find_first_not_of("0123456789.", begin + 3);
  return text.substr(begin + 3, end == std::string::npos ? end : end - begin - 3);
}

void write_sources(const std::filesystem::path& directory, const std::string& file_name,
                   const CompileRequest& request) {
  for (const embedded::DeviceSource& header : request.headers) {
    const std::filesystem::path path = directory / header.name;
    std::filesystem::create_directories(path.parent_path());
    support::write_file_atomically(path, header.text);
  }
  support::write_file_atomically(directory / file_name, request.source);
}

Nvcc::Nvcc(std::filesystem::path nvcc) : nvcc_(std::move(nvcc)) {
  const std::vector<std::string> command{nvcc_.native(), "--version"};
  const support::ProcessResult result = support::run_process(command);
  const std::string version = parse_nvcc_version(result.output);
  if (result.exit_code != 0 || version.empty()) {
    throw Error(
        ErrorCode::kCompileFailed,
        fmt::format("{}: exit code {}, output:\n{}\nneeded: a line with 'release X.Y, VX.Y.Z'; set "
                    "CUDA_HOME to a CUDA toolkit, or FATHOM_COMPILER=nvrtc",
                    support::command_text(command), result.exit_code, result.output));
  }
  identity_ = "nvcc " + version;
  major_ = std::atoi(version.c_str());
}

CompileOutput Nvcc::compile(const CompileRequest& request) {
  const support::TemporaryDirectory directory("fathom-nvcc");
  const std::string file_name = fmt::format("{}.cu", request.name);
  write_sources(directory.path(), file_name, request);

  const bool ptx = request.architecture.starts_with("compute_");
  const std::filesystem::path image = directory.path() / "image";
  std::vector<std::string> command{nvcc_.native(), ptx ? "--ptx" : "--cubin",
                                   fmt::format("--gpu-architecture={}", request.architecture)};
  for (const std::string& option : request.options) {
    // NVRTC's way to ask for what nvcc always does with unmarked functions that the device calls.
    if (option == "-default-device") {
      command.emplace_back("--expt-relaxed-constexpr");
    } else {
      command.push_back(option);
    }
  }
  command.insert(command.end(), {"-I", directory.path().native(), "-o", image.native(),
                                 (directory.path() / file_name).native()});

  const support::ProcessResult result = support::run_process(command);
  CompileOutput output;
  output.command = support::command_text(command);
  output.log = result.output;
  if (result.exit_code != 0) return output;
  std::optional<std::string> bytes = support::read_file(image);
  if (!bytes || bytes->empty()) {
    throw Error(
        ErrorCode::kCompileFailed,
        fmt::format("compile {}: nvcc ended well but left no output\n  command: {}\n  log:\n{}",
                    request.name, output.command, output.log));
  }
  output.image = std::move(*bytes);
  output.ok = true;
  return output;
}

}  // namespace fathom::jit
