// State and control functions of the recording driver. Emulator layer, driver.
#include "emulator/driver/recorder.hpp"

#include <cctype>
#include <cstdlib>
#include <fstream>

namespace recording_cuda {
namespace {

std::string environment(const std::string& key) {
  std::string name = "RECORDING_CUDA_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

// An H200 SXM as its driver describes it.
State::State()
    : description{{"devices", 1},
                  {"sms", 132},
                  {"compute_capability", 90},
                  {"memory_bytes", 150'110'011'392},
                  {"l2_bytes", 62'914'560},
                  {"shared_bytes", 232'448},
                  {"clock_khz", 1'980'000},
                  {"memory_clock_khz", 3'201'000},
                  {"bus_bits", 6'144},
                  {"driver_version", 13'000},
                  {"pageable", 0},
                  {"param_bytes", 0}},
      device_name("NVIDIA H200") {
  for (auto& [key, value] : description) {
    if (const std::string text = environment(key); !text.empty()) value = std::stoll(text);
  }
  if (const std::string text = environment("name"); !text.empty()) device_name = text;
}

State::~State() {
  const std::string path = environment("log");
  if (path.empty()) return;
  std::ofstream log(path, std::ios::app);
  for (const std::string& line : lines) log << line << '\n';
}

int State::thread_number() {
  return threads.emplace(std::this_thread::get_id(), static_cast<int>(threads.size()) + 1)
      .first->second;
}

State& state() {
  static State instance;
  return instance;
}

std::vector<Context*>& context_stack() {
  thread_local std::vector<Context*> stack;
  return stack;
}

abi::CaptureMode& thread_capture_mode() {
  thread_local abi::CaptureMode mode = abi::CaptureMode::kGlobal;
  return mode;
}

// CUDA Driver API, cuThreadExchangeStreamCaptureMode: what prohibits a potentially unsafe call.
abi::Result capture_conflict(State& s) {
  abi::Result result = abi::kSuccess;
  const abi::CaptureMode mode = thread_capture_mode();
  if (mode == abi::CaptureMode::kRelaxed) return result;
  for (auto& [handle, stream] : s.streams) {
    if (!stream->capturing || stream->mode == abi::CaptureMode::kRelaxed) continue;
    const bool own = stream->owner == std::this_thread::get_id();
    const bool others =
        mode == abi::CaptureMode::kGlobal && stream->mode == abi::CaptureMode::kGlobal;
    if (!own && !others) continue;
    stream->invalidated = true;
    result = abi::kErrorStreamCaptureUnsupported;
  }
  return result;
}

}  // namespace recording_cuda

using recording_cuda::state;

RECORDING_CUDA_EXPORT int recording_cuda_set(const char* key, int64_t value) {
  std::lock_guard lock(state().mutex);
  const auto found = state().description.find(key);
  if (found == state().description.end()) return -1;
  found->second = value;
  return 0;
}

RECORDING_CUDA_EXPORT void recording_cuda_set_name(const char* device_name) {
  std::lock_guard lock(state().mutex);
  state().device_name = device_name;
}

RECORDING_CUDA_EXPORT void recording_cuda_set_failure(const char* text) {
  std::lock_guard lock(state().mutex);
  state().failure = text;
}

RECORDING_CUDA_EXPORT void recording_cuda_fail(const char* call, int nth, int code) {
  std::lock_guard lock(state().mutex);
  state().failures[call][state().counts[call] + nth] = code;
}

RECORDING_CUDA_EXPORT const char* recording_cuda_record(void) {
  std::lock_guard lock(state().mutex);
  state().text.clear();
  for (const std::string& line : state().lines) state().text += line + '\n';
  return state().text.c_str();
}

RECORDING_CUDA_EXPORT int64_t recording_cuda_count(const char* call) {
  std::lock_guard lock(state().mutex);
  if (call != nullptr && *call != '\0') {
    const auto found = state().counts.find(call);
    return found == state().counts.end() ? 0 : found->second;
  }
  int64_t total = 0;
  for (const auto& [name, count] : state().counts) total += count;
  return total;
}

RECORDING_CUDA_EXPORT void recording_cuda_clear_record(void) {
  std::lock_guard lock(state().mutex);
  state().lines.clear();
  state().counts.clear();
  state().failures.clear();
  state().launches.clear();
}

RECORDING_CUDA_EXPORT int recording_cuda_launch(int64_t index, RecordingCudaLaunch* launch) {
  std::lock_guard lock(state().mutex);
  if (index < 0 || index >= static_cast<int64_t>(state().launches.size())) return -1;
  *launch = state().launches[static_cast<std::size_t>(index)]->shape;
  return 0;
}

RECORDING_CUDA_EXPORT void recording_cuda_set_hook(RecordingCudaHook hook, void* user) {
  std::lock_guard lock(state().mutex);
  state().hook = hook;
  state().hook_user = user;
}
