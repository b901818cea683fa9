// The layers that a request for a kernel falls through. JIT layer.
#include "jit/builder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

#include <fathom/error.hpp>

#include "jit/ffma_runs.hpp"
#include "jit/nvcc.hpp"
#include "support/files.hpp"

namespace fathom::jit {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

thread_local std::vector<std::string>* held_warnings = nullptr;

/// While one lives, the warnings of this thread wait; its end passes them on.
class HeldWarnings {
 public:
  explicit HeldWarnings(const Warn& warn) : warn_(warn) { held_warnings = &messages_; }
  ~HeldWarnings() {
    held_warnings = nullptr;
    for (const std::string& message : messages_) warn_(message);
  }
  HeldWarnings(const HeldWarnings&) = delete;
  HeldWarnings& operator=(const HeldWarnings&) = delete;

 private:
  const Warn& warn_;
  std::vector<std::string> messages_;
};

Warn hold_or_pass_on(const Warn& warn) {
  if (!warn) return {};
  return [warn](std::string_view message) {
    if (held_warnings != nullptr) {
      held_warnings->emplace_back(message);
    } else {
      warn(message);
    }
  };
}

DiskCacheOptions user_cache_options(const BuilderOptions& options) {
  DiskCacheOptions cache;
  cache.directory = options.cache_directory;
  cache.limit_bytes = options.cache_limit_bytes;
  cache.warn = hold_or_pass_on(options.warn);
  return cache;
}

DiskCacheOptions system_cache_options(const BuilderOptions& options) {
  DiskCacheOptions cache;
  cache.directory = options.system_cache_directory;
  cache.read_only = true;
  cache.warn = hold_or_pass_on(options.warn);
  return cache;
}

void require(const CompilerChoice& choice, std::string_view purpose) {
  if (choice.compiler) return;
  throw Error(ErrorCode::kCompileFailed, fmt::format("{}: {}", purpose, choice.report));
}

std::shared_ptr<const Kernel> from_entry(CacheEntry entry, Origin origin, Clock::time_point start) {
  auto kernel = std::make_shared<Kernel>();
  kernel->key = entry.key.file_name();
  kernel->name = std::move(entry.name);
  kernel->image = std::move(entry.image);
  kernel->use = entry.use;
  kernel->compiler = std::move(entry.compiler);
  kernel->origin = origin;
  kernel->milliseconds = milliseconds_since(start);
  return kernel;
}

}  // namespace

Builder::Builder(BuilderOptions options, std::span<const embedded::DeviceSource> headers)
    : options_(std::move(options)),
      headers_(headers),
      headers_digest_(digest_headers(headers) + (options_.ffma_runs ? "" : " as compiled")),
      cache_(user_cache_options(options_)),
      system_cache_(system_cache_options(options_)) {}

Builder::Builder(BuilderOptions options, std::span<const embedded::DeviceSource> headers,
                 std::shared_ptr<Compiler> compiler)
    : Builder(std::move(options), headers) {
  choice_ = CompilerChoice{std::move(compiler), "the builder was made without a compiler"};
}

Builder::~Builder() = default;

CompilerChoice Builder::choice() {
  const std::lock_guard lock(choice_mutex_);
  if (choice_) return *choice_;
  CompilerChoice found = choose_compiler(options_.compiler, options_.driver_major);
  if (found.compiler) choice_ = found;  // none is not remembered: one may be installed
  return found;
}

std::shared_ptr<Compiler> Builder::compiler() {
  return choice().compiler;
}

std::string Builder::compiler_report() {
  return choice().report;
}

void Builder::require_compiler(std::string_view purpose) {
  require(choice(), purpose);
}

CompileRequest Builder::request(std::string_view name, std::string_view source) const {
  return {name, source, headers_, options_.architecture, options_.options};
}

CacheKey Builder::key_of(const CompileRequest& request, const CompilerChoice& choice) const {
  return make_cache_key(request, headers_digest_,
                        choice.compiler ? choice.compiler->identity() : "");
}

std::shared_ptr<const Kernel> Builder::read_caches(const CompileRequest& request,
                                                   const CacheKey& key,
                                                   const CompilerChoice& choice) {
  const Clock::time_point start = Clock::now();
  const bool any_compiler = !choice.compiler;
  for (const Origin origin : {Origin::kUserCache, Origin::kSystemCache}) {
    DiskCache& cache = origin == Origin::kUserCache ? cache_ : system_cache_;
    std::optional<CacheEntry> entry =
        any_compiler ? cache.find_by_text(key.text, options_.driver_major) : cache.find(key);
    if (entry && entry->architecture == request.architecture) {
      return from_entry(std::move(*entry), origin, start);
    }
  }
  return nullptr;
}

std::shared_ptr<const Kernel> Builder::compile(const CompileRequest& request, const CacheKey& key,
                                               const CompilerChoice& choice) {
  require(choice, fmt::format("compile {}", request.name));
  Compiler& compiler = *choice.compiler;
  const Clock::time_point start = Clock::now();
  CompileOutput output = compiler.compile(request);
  if (!output.ok) fail(request, key, output);
  if (const int length = ffma_runs_wanted(request.source); length > 0 && options_.ffma_runs)
    set_ffma_runs(output.image, length);

  auto kernel = std::make_shared<Kernel>();
  kernel->name = request.name;
  kernel->key = key.file_name();
  kernel->milliseconds = milliseconds_since(start);
  kernel->use = parse_resource_use(output.log);
  kernel->compiler = compiler.identity();
  kernel->image = std::move(output.image);
  kernel->log = std::move(output.log);
  kernel->origin = Origin::kCompiled;

  CacheEntry entry{key,
                   kernel->name,
                   std::string(request.architecture),
                   kernel->compiler,
                   compiler.cuda_major(),
                   kernel->use,
                   kernel->image};
  // Whether it was kept or lost a race, this process uses what it made: the file is not read back.
  kernel->on_disk = !options_.cache_directory.empty() && cache_.store(entry);
  return kernel;
}

void Builder::fail(const CompileRequest& request, const CacheKey& key,
                   const CompileOutput& output) const {
  throw Error(
      ErrorCode::kCompileFailed,
      fmt::format("compile {}: the source was refused\n  command: {}\n  source: {}\n  log:\n{}",
                  request.name, output.command, keep_source(request, key), output.log));
}

std::string Builder::keep_source(const CompileRequest& request, const CacheKey& key) const {
  const std::string file_name = fmt::format("{}.cu", request.name);
  const auto write_below = [&](const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    write_sources(directory, file_name, request);
    return (directory / file_name).native();
  };
  try {
    if (!options_.cache_directory.empty()) {
      return write_below(cache_.failed_path() / key.text);
    }
  } catch (const std::exception&) {
    // An unwritable cache; the error that matters is the compiler's.
  }
  try {
    return write_below(support::make_temporary_directory("fathom-failed"));
  } catch (const std::exception& error) {
    return fmt::format("not kept ({})", error.what());
  }
}

std::shared_ptr<const Kernel> Builder::find(std::string_view name, std::string_view source) {
  const CompileRequest wanted = request(name, source);
  const CompilerChoice chosen = choice();
  const CacheKey key = key_of(wanted, chosen);
  {
    const std::lock_guard lock(slots_mutex_);
    const auto found = slots_.find(key.file_name());
    if (found != slots_.end() &&
        found->second.kernel.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      return found->second.kernel.get();
    }
  }
  return read_caches(wanted, key, chosen);
}

std::shared_ptr<const Kernel> Builder::build(std::string_view name, std::string_view source) {
  const CompileRequest wanted = request(name, source);
  // Asked once: a compiler that appears meanwhile has other keys.
  const CompilerChoice chosen = choice();
  const CacheKey key = key_of(wanted, chosen);
  const std::string slot_name = key.file_name();
  // Passed on when the promise is kept: what they go to may ask for this kernel.
  const HeldWarnings held(options_.warn);
  std::promise<KernelPointer> promise;
  {
    std::unique_lock lock(slots_mutex_);
    const auto found = slots_.find(slot_name);
    if (found != slots_.end()) {
      const Slot slot = found->second;
      const bool ready = slot.kernel.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      // After a fork, a kernel that another process's thread was making will never come.
      if (ready || slot.owner == ::getpid()) {
        lock.unlock();
        return slot.kernel.get();
      }
    }
    slots_[slot_name] = Slot{promise.get_future().share(), ::getpid()};
  }
  try {
    KernelPointer kernel = read_caches(wanted, key, chosen);
    if (!kernel) kernel = compile(wanted, key, chosen);
    promise.set_value(kernel);
    return kernel;
  } catch (...) {
    {
      // Not remembered: a compiler may be installed, a disk emptied.
      const std::lock_guard lock(slots_mutex_);
      slots_.erase(slot_name);
    }
    promise.set_exception(std::current_exception());
    throw;
  }
}

}  // namespace fathom::jit
