// The state of the recording driver: description, live objects, record, planned failures. Emulator
// layer, driver; one lock guards all.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda/abi.hpp"
#include "emulator/driver/recording_cuda.h"

#define RECORDING_CUDA_EXPORT extern "C" __attribute__((visibility("default")))

namespace recording_cuda {

namespace abi = fathom::cuda::abi;

struct Context {
  int device = 0;
};
struct Library {
  std::string image;
};
struct Kernel {
  Library* library = nullptr;
  std::string name;
};
struct Function {
  Kernel* kernel = nullptr;
  int device = 0;
  int max_dynamic_shared = 48 * 1024;  // what CUDA grants without opting in
};
struct Launch {
  RecordingCudaLaunch shape{};
  Function* function = nullptr;
  std::vector<unsigned char> params;
};
struct Graph {
  std::vector<std::shared_ptr<Launch>> launches;
};
struct Stream {
  int device = 0;
  bool capturing = false;
  bool invalidated = false;
  abi::CaptureMode mode = abi::CaptureMode::kGlobal;
  std::thread::id owner;
  std::unique_ptr<Graph> graph;
};
struct Event {
  double seconds = 0;
};
struct Allocation {
  std::size_t bytes = 0;
  int device = 0;
  std::unique_ptr<unsigned char, void (*)(void*)> memory{nullptr, nullptr};
};

struct State {
  State();
  ~State();

  std::mutex mutex;
  std::map<std::string, std::int64_t> description;
  std::string device_name;
  std::string failure;  ///< what cuGetErrorString says of kErrorLaunchFailed; empty = the usual
  std::map<std::string, std::int64_t> param_bytes;  ///< of kernels known by name

  std::vector<std::string> lines;
  std::map<std::string, std::int64_t> counts;
  std::map<std::string, std::map<std::int64_t, int>>
      failures;  // call -> (count at which it fails -> code)
  std::vector<std::shared_ptr<Launch>> launches;
  std::map<std::thread::id, int> threads;
  std::string text;
  RecordingCudaHook hook = nullptr;
  void* hook_user = nullptr;

  bool initialised = false;
  std::map<int, std::unique_ptr<Context>> contexts;  // primary, by device
  std::vector<std::unique_ptr<Library>> libraries;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::map<std::pair<Kernel*, int>, std::unique_ptr<Function>> functions;
  std::map<void*, std::unique_ptr<Stream>> streams;
  std::map<void*, std::unique_ptr<Event>> events;
  std::map<void*, std::unique_ptr<Graph>> graphs;
  std::map<void*, std::unique_ptr<Graph>> execs;
  std::map<abi::DevicePointer, Allocation> memory;

  std::int64_t get(const char* key) const { return description.at(key); }
  std::int64_t param_bytes_of(const std::string& kernel) const {
    const auto found = param_bytes.find(kernel);
    return found == param_bytes.end() ? get("param_bytes") : found->second;
  }
  int thread_number();
};

State& state();
/// Contexts that this thread pushed; the last is current.
std::vector<Context*>& context_stack();
abi::CaptureMode& thread_capture_mode();
/// The error that a call unsafe during capture gives now; such a call also spoils the captures in
/// its way.
abi::Result capture_conflict(State& s);

/// Runs one driver function under the lock: planned failure or body, then a line in the record.
/// `body` gets the state and the text of the arguments, to which it may append.
template <typename Body>
abi::Result record_call(const char* name, std::string arguments, Body body) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  const std::int64_t count = ++s.counts[name];
  abi::Result result = abi::kSuccess;
  auto& planned = s.failures[name];
  if (const auto found = planned.find(count); found != planned.end()) {
    result = found->second;
    planned.erase(found);
  } else {
    result = body(s, arguments);
  }
  s.lines.push_back(fmt::format("{}{}{} thread={} -> {}", name, arguments.empty() ? "" : " ",
                                arguments, s.thread_number(), result));
  return result;
}

/// record_call for what needs cuInit and a current context first.
template <typename Body>
abi::Result record_context_call(const char* name, std::string arguments, Body body) {
  return record_call(name, std::move(arguments), [&](State& s, std::string& text) -> abi::Result {
    if (!s.initialised) return abi::kErrorNotInitialized;
    if (context_stack().empty() || context_stack().back() == nullptr)
      return abi::kErrorInvalidContext;
    return body(s, text);
  });
}

}  // namespace recording_cuda
