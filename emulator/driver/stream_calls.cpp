// Streams, captures, graphs and events of the recording driver. Emulator layer, driver.
#include <chrono>

#include "emulator/driver/recorder.hpp"

using namespace recording_cuda;

namespace {

template <typename Handle, typename Object>
Handle keep(std::map<void*, std::unique_ptr<Object>>& objects, std::unique_ptr<Object> object) {
  void* key = object.get();
  objects.emplace(key, std::move(object));
  return static_cast<Handle>(key);
}

/// The live object behind a handle, or null.
template <typename Object>
Object* find(std::map<void*, std::unique_ptr<Object>>& objects, void* handle) {
  const auto found = objects.find(handle);
  return found == objects.end() ? nullptr : found->second.get();
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string stream_text(abi::Stream stream) {
  return fmt::format("stream={}", fmt::ptr(stream));
}

}  // namespace

RECORDING_CUDA_EXPORT abi::Result cuStreamCreate(abi::Stream* stream, unsigned flags) {
  return record_context_call(
      "cuStreamCreate", fmt::format("flags={}", flags), [&](State& s, std::string&) {
        auto created = std::make_unique<Stream>();
        created->device = context_stack().back()->device;
        *stream = reinterpret_cast<abi::Stream>(keep<void*>(s.streams, std::move(created)));
        return abi::Result{abi::kSuccess};
      });
}

RECORDING_CUDA_EXPORT abi::Result cuStreamDestroy_v2(abi::Stream stream) {
  return record_call(
      "cuStreamDestroy", stream_text(stream), [&](State& s, std::string&) -> abi::Result {
        return s.streams.erase(stream) == 1 ? abi::kSuccess : abi::kErrorInvalidHandle;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuStreamSynchronize(abi::Stream stream) {
  return record_context_call("cuStreamSynchronize", stream_text(stream),
                             [&](State& s, std::string&) -> abi::Result {
                               if (stream == nullptr) return capture_conflict(s);
                               Stream* known = find(s.streams, stream);
                               if (known == nullptr) return abi::kErrorInvalidHandle;
                               if (!known->capturing) return abi::kSuccess;
                               known->invalidated = true;
                               return abi::kErrorStreamCaptureUnsupported;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuStreamIsCapturing(abi::Stream stream,
                                                      abi::CaptureStatus* status) {
  return record_call(
      "cuStreamIsCapturing", stream_text(stream), [&](State& s, std::string&) -> abi::Result {
        const Stream* known = find(s.streams, stream);
        if (stream != nullptr && known == nullptr) return abi::kErrorInvalidHandle;
        *status = abi::CaptureStatus::kNone;
        if (known != nullptr && known->capturing) {
          *status =
              known->invalidated ? abi::CaptureStatus::kInvalidated : abi::CaptureStatus::kActive;
        }
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuThreadExchangeStreamCaptureMode(abi::CaptureMode* mode) {
  return record_call("cuThreadExchangeStreamCaptureMode",
                     fmt::format("mode={}", static_cast<int>(*mode)), [&](State&, std::string&) {
                       std::swap(*mode, thread_capture_mode());
                       return abi::Result{abi::kSuccess};
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuStreamBeginCapture_v2(abi::Stream stream,
                                                          abi::CaptureMode mode) {
  return record_call("cuStreamBeginCapture",
                     fmt::format("{} mode={}", stream_text(stream), static_cast<int>(mode)),
                     [&](State& s, std::string&) -> abi::Result {
                       Stream* known = find(s.streams, stream);
                       if (known == nullptr) return abi::kErrorInvalidHandle;
                       known->capturing = true;
                       known->invalidated = false;
                       known->mode = mode;
                       known->owner = std::this_thread::get_id();
                       known->graph = std::make_unique<Graph>();
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuStreamEndCapture(abi::Stream stream, abi::Graph* graph) {
  return record_call(
      "cuStreamEndCapture", stream_text(stream), [&](State& s, std::string& text) -> abi::Result {
        Stream* known = find(s.streams, stream);
        if (known == nullptr || !known->capturing) return abi::kErrorInvalidHandle;
        known->capturing = false;
        if (known->invalidated) return abi::kErrorStreamCaptureInvalidated;
        text += fmt::format(" launches={}", known->graph->launches.size());
        *graph = reinterpret_cast<abi::Graph>(keep<void*>(s.graphs, std::move(known->graph)));
        return abi::kSuccess;
      });
}

RECORDING_CUDA_EXPORT abi::Result cuGraphInstantiateWithFlags(abi::GraphExec* exec,
                                                              abi::Graph graph,
                                                              unsigned long long flags) {
  return record_call("cuGraphInstantiateWithFlags", fmt::format("flags={}", flags),
                     [&](State& s, std::string&) -> abi::Result {
                       const Graph* known = find(s.graphs, graph);
                       if (known == nullptr) return abi::kErrorInvalidHandle;
                       *exec = reinterpret_cast<abi::GraphExec>(
                           keep<void*>(s.execs, std::make_unique<Graph>(*known)));
                       return abi::kSuccess;
                     });
}

RECORDING_CUDA_EXPORT abi::Result cuGraphLaunch(abi::GraphExec exec, abi::Stream stream) {
  RecordingCudaHook hook = nullptr;
  void* user = nullptr;
  std::vector<std::shared_ptr<Launch>> launches;
  abi::Result result =
      record_call("cuGraphLaunch", stream_text(stream), [&](State& s, std::string&) -> abi::Result {
        const Graph* known = find(s.execs, exec);
        if (known == nullptr) return abi::kErrorInvalidHandle;
        launches = known->launches;
        hook = s.hook;
        user = s.hook_user;
        return abi::kSuccess;
      });
  for (std::size_t i = 0; hook != nullptr && result == abi::kSuccess && i < launches.size(); ++i) {
    result = hook(&launches[i]->shape, user);
  }
  return result;
}

RECORDING_CUDA_EXPORT abi::Result cuGraphExecDestroy(abi::GraphExec exec) {
  return record_call("cuGraphExecDestroy", "", [&](State& s, std::string&) -> abi::Result {
    return s.execs.erase(exec) == 1 ? abi::kSuccess : abi::kErrorInvalidHandle;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuGraphDestroy(abi::Graph graph) {
  return record_call("cuGraphDestroy", "", [&](State& s, std::string&) -> abi::Result {
    return s.graphs.erase(graph) == 1 ? abi::kSuccess : abi::kErrorInvalidHandle;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuEventCreate(abi::Event* event, unsigned flags) {
  return record_context_call(
      "cuEventCreate", fmt::format("flags={}", flags), [&](State& s, std::string&) {
        *event = reinterpret_cast<abi::Event>(keep<void*>(s.events, std::make_unique<Event>()));
        return abi::Result{abi::kSuccess};
      });
}

RECORDING_CUDA_EXPORT abi::Result cuEventDestroy_v2(abi::Event event) {
  return record_call("cuEventDestroy", "", [&](State& s, std::string&) -> abi::Result {
    return s.events.erase(event) == 1 ? abi::kSuccess : abi::kErrorInvalidHandle;
  });
}

RECORDING_CUDA_EXPORT abi::Result cuEventRecord(abi::Event event, abi::Stream stream) {
  return record_context_call("cuEventRecord", stream_text(stream),
                             [&](State& s, std::string&) -> abi::Result {
                               Event* known = find(s.events, event);
                               if (known == nullptr) return abi::kErrorInvalidHandle;
                               known->seconds = now();
                               return abi::kSuccess;
                             });
}

RECORDING_CUDA_EXPORT abi::Result cuEventSynchronize(abi::Event event) {
  return record_context_call("cuEventSynchronize", "", [&](State& s, std::string&) -> abi::Result {
    return find(s.events, event) == nullptr ? abi::kErrorInvalidHandle : capture_conflict(s);
  });
}

RECORDING_CUDA_EXPORT abi::Result cuEventElapsedTime(float* milliseconds, abi::Event start,
                                                     abi::Event end) {
  return record_call("cuEventElapsedTime", "", [&](State& s, std::string&) -> abi::Result {
    const Event* from = find(s.events, start);
    const Event* to = find(s.events, end);
    if (from == nullptr || to == nullptr) return abi::kErrorInvalidHandle;
    *milliseconds = static_cast<float>((to->seconds - from->seconds) * 1e3);
    return abi::kSuccess;
  });
}
