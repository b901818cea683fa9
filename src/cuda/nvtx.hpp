// Ranges in a profiler's timeline, where NVIDIA's tools extension is present. Runtime layer.
#pragma once

namespace fathom::cuda {

/// Looks for the extension, once, so that the first range loads nothing.
void find_profiler();

/// Marks this scope under `name` on the calling thread's timeline. Without libnvToolsExt on the
/// loader's path (or in the process already, as with torch) it does nothing and costs one
/// comparison.
class ProfilerRange {
 public:
  explicit ProfilerRange(const char* name);
  ~ProfilerRange();
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;
};

}  // namespace fathom::cuda
