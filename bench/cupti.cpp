// The part of CUPTI's C interface that timing kernels needs. See cupti.hpp.
#include "cupti.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <fathom/error.hpp>

namespace fathom::bench {
namespace {

// Numbers and offsets of cupti_activity.h and cupti_result.h, CUDA 12.0 to 13.5: fields are only
// ever appended to records.
constexpr int kKindMemset = 2;
constexpr int kKindConcurrentKernel = 10;
constexpr int kSuccess = 0;
constexpr unsigned kFlushForced = 1;
constexpr std::size_t kMemsetBytesOffset = 8;
constexpr std::size_t kStartOffset = 16;
constexpr std::size_t kEndOffset = 24;
constexpr std::size_t kKernelNameOffset = 104;
constexpr std::size_t kBufferBytes = 1 << 20;

using BufferRequested = void (*)(std::uint8_t** buffer, std::size_t* size,
                                 std::size_t* max_records);
using BufferCompleted = void (*)(void* context, std::uint32_t stream, std::uint8_t* buffer,
                                 std::size_t size, std::size_t valid_size);

template <typename T>
T field(const std::uint8_t* record, std::size_t offset) {
  T value;
  std::memcpy(&value, record + offset, sizeof value);
  return value;
}

// CUPTI's callbacks carry no user pointer, so what they collect into is global.
std::mutex g_mutex;
std::vector<Activity> g_activities;
int (*g_next_record)(std::uint8_t* buffer, std::size_t valid_size, std::uint8_t** record) = nullptr;

void on_requested(std::uint8_t** buffer, std::size_t* size, std::size_t* max_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(64, kBufferBytes));
  *size = *buffer == nullptr ? 0 : kBufferBytes;
  *max_records = 0;
}

void on_completed(void*, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t valid_size) {
  const std::lock_guard lock(g_mutex);
  std::uint8_t* record = nullptr;
  while (valid_size > 0 && g_next_record(buffer, valid_size, &record) == kSuccess) {
    const int kind = field<std::int32_t>(record, 0);
    if (kind != kKindMemset && kind != kKindConcurrentKernel) continue;
    Activity activity;
    if (kind == kKindMemset)
      activity.memset_bytes = field<std::int64_t>(record, kMemsetBytesOffset);
    activity.start_ns = field<std::int64_t>(record, kStartOffset);
    activity.end_ns = field<std::int64_t>(record, kEndOffset);
    if (kind == kKindConcurrentKernel) {
      const char* name = field<const char*>(record, kKernelNameOffset);
      if (name != nullptr) activity.name = name;
    }
    g_activities.push_back(std::move(activity));
  }
  std::free(buffer);
}

}  // namespace

struct Cupti::Api {
  void* handle = nullptr;
  int (*enable)(int kind) = nullptr;
  int (*disable)(int kind) = nullptr;
  int (*register_callbacks)(BufferRequested requested, BufferCompleted completed) = nullptr;
  int (*flush_all)(unsigned flag) = nullptr;
  int (*get_result_string)(int result, const char** text) = nullptr;
};

std::unique_ptr<Cupti> Cupti::load(const std::vector<std::string>& files, std::string* why_not) {
  auto api = std::make_unique<Api>();
  for (const std::string& file : files) {
    api->handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (api->handle != nullptr) break;
    *why_not = dlerror();
  }
  if (api->handle == nullptr) return nullptr;
  const auto find = [&](auto& function, const char* name) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(api->handle, name));
    if (function == nullptr) *why_not = fmt::format("libcupti has no {}", name);
    return function != nullptr;
  };
  const bool complete = find(api->enable, "cuptiActivityEnable") &&
                        find(api->disable, "cuptiActivityDisable") &&
                        find(api->register_callbacks, "cuptiActivityRegisterCallbacks") &&
                        find(api->flush_all, "cuptiActivityFlushAll") &&
                        find(api->get_result_string, "cuptiGetResultString") &&
                        find(g_next_record, "cuptiActivityGetNextRecord");
  if (!complete) return nullptr;
  std::unique_ptr<Cupti> cupti(new Cupti(std::move(api)));
  cupti->check(cupti->api_->register_callbacks(on_requested, on_completed),
               "cuptiActivityRegisterCallbacks");
  return cupti;
}

Cupti::Cupti(std::unique_ptr<Api> api) : api_(std::move(api)) {}
Cupti::~Cupti() = default;  // the library stays loaded: its callbacks may still run

void Cupti::check(int result, const char* call) const {
  if (result == kSuccess) return;
  const char* text = nullptr;
  api_->get_result_string(result, &text);
  throw Error(ErrorCode::kDriver,
              fmt::format("bench: {} failed with {} ({}); another profiler may hold the GPU, "
                          "--timer event does without CUPTI",
                          call, text == nullptr ? "an unknown result" : text, result));
}

void Cupti::start() {
  {
    const std::lock_guard lock(g_mutex);
    g_activities.clear();
  }
  check(api_->enable(kKindConcurrentKernel), "cuptiActivityEnable(kernel)");
  check(api_->enable(kKindMemset), "cuptiActivityEnable(memset)");
}

std::vector<Activity> Cupti::stop() {
  check(api_->flush_all(kFlushForced), "cuptiActivityFlushAll");
  check(api_->disable(kKindConcurrentKernel), "cuptiActivityDisable(kernel)");
  check(api_->disable(kKindMemset), "cuptiActivityDisable(memset)");
  const std::lock_guard lock(g_mutex);
  std::vector<Activity> activities = std::move(g_activities);
  g_activities.clear();
  std::stable_sort(activities.begin(), activities.end(),
                   [](const Activity& a, const Activity& b) { return a.start_ns < b.start_ns; });
  return activities;
}

}  // namespace fathom::bench
