// NVRTC through its C interface (nvrtc.h of CUDA 12.3 to 13.x; the functions used here have not
// changed). JIT layer.
#include "jit/nvrtc.hpp"

#include <fmt/format.h>

#include <system_error>
#include <vector>

#include <fathom/error.hpp>

#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/shared_library.hpp"
#include "support/subprocess.hpp"

namespace fathom::jit {
namespace {

using Program = struct ProgramTag*;  // nvrtcProgram
constexpr int kSuccess = 0;          // NVRTC_SUCCESS
constexpr int kCompilation = 6;      // NVRTC_ERROR_COMPILATION: the source was refused

}  // namespace

struct Nvrtc::Functions {
  int (*version)(int* major, int* minor);
  const char* (*error_string)(int result);
  int (*create)(Program* program, const char* source, const char* name, int num_headers,
                const char* const* headers, const char* const* include_names);
  int (*destroy)(Program* program);
  int (*compile)(Program program, int num_options, const char* const* options);
  int (*log_size)(Program program, std::size_t* size);
  int (*log)(Program program, char* text);
  int (*cubin_size)(Program program, std::size_t* size);
  int (*cubin)(Program program, char* image);
  int (*ptx_size)(Program program, std::size_t* size);
  int (*ptx)(Program program, char* text);
  int major = 0;
  int minor = 0;

  std::string load(const std::filesystem::path& file);
  void check(int result, const char* call, std::string_view name) const {
    if (result == kSuccess) return;
    throw Error(ErrorCode::kCompileFailed, fmt::format("compile {}: {} gave {} ({})", name, call,
                                                       error_string(result), result));
  }
};

/// Empty, or why the library cannot be used.
std::string Nvrtc::Functions::load(const std::filesystem::path& file) {
  std::string why;
  const auto library = support::SharedLibrary::open(file.native(), why);
  if (!library) return why;
  const char* missing = nullptr;
  const auto bind = [&]<typename Result, typename... Arguments>(Result (*&target)(Arguments...),
                                                                const char* name) {
    target = library->function<Result(Arguments...)>(name);
    if (target == nullptr) missing = name;
  };
  bind(version, "nvrtcVersion");
  bind(error_string, "nvrtcGetErrorString");
  bind(create, "nvrtcCreateProgram");
  bind(destroy, "nvrtcDestroyProgram");
  bind(compile, "nvrtcCompileProgram");
  bind(log_size, "nvrtcGetProgramLogSize");
  bind(log, "nvrtcGetProgramLog");
  bind(cubin_size, "nvrtcGetCUBINSize");
  bind(cubin, "nvrtcGetCUBIN");
  bind(ptx_size, "nvrtcGetPTXSize");
  bind(ptx, "nvrtcGetPTX");
  if (missing != nullptr) return fmt::format("it has no function {}", missing);
  if (version(&major, &minor) != kSuccess) return "nvrtcVersion failed";
  // By its full path and before anything is compiled: libnvrtc then asks the loader for the bare
  // name, which would search the system's directories.
  const std::filesystem::path builtins =
      file.parent_path() / fmt::format("libnvrtc-builtins.so.{}.{}", major, minor);
  std::error_code error;
  if (std::filesystem::exists(builtins, error)) {
    if (!support::SharedLibrary::open(builtins.native(), why)) return why;
  }
  return "";
}

Nvrtc::Nvrtc(NvrtcFiles files) : files_(std::move(files)) {
  // The linker's build id stands in the first page of a shared library, so size and first bytes
  // tell two builds of one version apart without reading 100 MB.
  constexpr std::size_t kFingerprintBytes = 1 << 16;
  std::error_code error;
  const auto size = std::filesystem::file_size(files_.library, error);
  const auto prefix = support::read_prefix(files_.library, kFingerprintBytes);
  if (!error && prefix) {
    fingerprint_ =
        support::to_hex(support::hash128(fmt::format("{}:{}", size, *prefix))).substr(0, 16);
  }
}

Nvrtc::~Nvrtc() = default;

std::string Nvrtc::identity() const {
  return fmt::format("nvrtc {}.{} {}", files_.major, files_.minor, fingerprint_);
}

int Nvrtc::cuda_major() const {
  return files_.major;
}

std::string Nvrtc::location() const {
  return files_.library.native();
}

const Nvrtc::Functions& Nvrtc::functions() {
  loaded_.run([this] {
    auto functions = std::make_unique<Functions>();
    const std::string why = functions->load(files_.library);
    if (!why.empty()) {
      throw Error(
          ErrorCode::kCompileFailed,
          fmt::format("load the run-time compiler {}: {}; set FATHOM_NVRTC to another libnvrtc",
                      location(), why));
    }
    functions_ = std::move(functions);
  });
  return *functions_;
}

std::string Nvrtc::unusable(int driver_major) {
  if (files_.minor < 0 || fingerprint_.empty()) {
    try {
      files_.major = functions().major;
      files_.minor = functions().minor;
    } catch (const Error& error) {
      return error.what();
    }
  }
  const std::string version = fmt::format("version {}.{}", files_.major, files_.minor);
  if (files_.major < kOldestMajor ||
      (files_.major == kOldestMajor && files_.minor < kOldestMinor)) {
    return fmt::format("{} is older than {}.{}", version, kOldestMajor, kOldestMinor);
  }
  if (files_.major > kNewestMajor)
    return fmt::format("{} is newer than {}.x", version, kNewestMajor);
  if (driver_major != 0 && files_.major > driver_major) {
    return fmt::format("{} is above the driver's CUDA {}", version, driver_major);
  }
  return "";
}

CompileOutput Nvrtc::compile(const CompileRequest& request) {
  const Functions& nvrtc = functions();
  const std::string source(request.source);
  const std::string file_name = fmt::format("{}.cu", request.name);
  std::vector<std::string> header_text;  // with the closing zero that a string_view lacks
  for (const embedded::DeviceSource& header : request.headers) {
    header_text.emplace_back(header.name);
    header_text.emplace_back(header.text);
  }
  std::vector<const char*> names;
  std::vector<const char*> texts;
  for (std::size_t i = 0; i < header_text.size(); i += 2) {
    names.push_back(header_text[i].c_str());
    texts.push_back(header_text[i + 1].c_str());
  }
  std::vector<std::string> command{"nvrtc",
                                   fmt::format("--gpu-architecture={}", request.architecture)};
  command.insert(command.end(), request.options.begin(), request.options.end());
  const std::size_t num_words = command.size();
  command.push_back(file_name);
  // Only now: a vector that grows moves its short strings, and pointers to them go nowhere.
  std::vector<const char*> options;
  for (std::size_t i = 1; i < num_words; ++i) options.push_back(command[i].c_str());

  Program raw = nullptr;
  nvrtc.check(nvrtc.create(&raw, source.c_str(), file_name.c_str(), static_cast<int>(names.size()),
                           texts.data(), names.data()),
              "nvrtcCreateProgram", request.name);
  const auto destroy = [&](Program program) { nvrtc.destroy(&program); };
  const std::unique_ptr<ProgramTag, decltype(destroy)> program(raw, destroy);

  CompileOutput output;
  output.command = support::command_text(command);
  const int result = nvrtc.compile(program.get(), static_cast<int>(options.size()), options.data());
  std::size_t size = 0;
  if (nvrtc.log_size(program.get(), &size) == kSuccess && size > 1) {
    output.log.resize(size);
    nvrtc.log(program.get(), output.log.data());
    output.log.resize(size - 1);  // the closing zero
  }
  if (result == kCompilation) return output;
  if (result != kSuccess && !output.log.empty()) {
    return output;  // a bad option: the log says which
  }
  nvrtc.check(result, "nvrtcCompileProgram", request.name);

  const bool ptx = request.architecture.starts_with("compute_");
  nvrtc.check((ptx ? nvrtc.ptx_size : nvrtc.cubin_size)(program.get(), &size),
              ptx ? "nvrtcGetPTXSize" : "nvrtcGetCUBINSize", request.name);
  output.image.resize(size);
  nvrtc.check((ptx ? nvrtc.ptx : nvrtc.cubin)(program.get(), output.image.data()),
              ptx ? "nvrtcGetPTX" : "nvrtcGetCUBIN", request.name);
  output.ok = true;
  return output;
}

}  // namespace fathom::jit
