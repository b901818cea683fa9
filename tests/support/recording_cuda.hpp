// A GPU of a chosen description for one test: a private copy of libcuda_recording.so and its
// controls. Test support.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/driver/recording_cuda.h"

namespace fathom::testing {

class RecordingCuda {
 public:
  /// Copies and loads the library. The copy stays loaded to the end of the process (Driver never
  /// unloads); its file goes with this object, so load the driver while it lives.
  RecordingCuda();
  ~RecordingCuda();
  RecordingCuda(const RecordingCuda&) = delete;
  RecordingCuda& operator=(const RecordingCuda&) = delete;

  /// For ContextOptions::libcuda or Driver::load.
  const std::string& path() const { return path_; }

  // The controls of recording_cuda.h. Settle the description before the driver is loaded: it is
  // read once.
  void set(const char* key, std::int64_t value);
  void set_name(const char* device_name) { set_name_(device_name); }
  void fail(const char* call, int nth, int code) { fail_(call, nth, code); }
  void clear_record() { clear_record_(); }
  void set_hook(RecordingCudaHook hook, void* user) { set_hook_(hook, user); }
  std::int64_t count(const char* call = "") const { return count_(call); }
  std::string record() const { return record_(); }
  /// The lines of the record that begin with this call's name.
  std::vector<std::string> calls(const std::string& call) const;
  /// Names of all recorded calls, each once, sorted.
  std::vector<std::string> call_names() const;
  std::vector<RecordingCudaLaunch> launches() const;

 private:
  std::string directory_;
  std::string path_;
  decltype(&recording_cuda_set) set_;
  decltype(&recording_cuda_set_name) set_name_;
  decltype(&recording_cuda_fail) fail_;
  decltype(&recording_cuda_record) record_;
  decltype(&recording_cuda_count) count_;
  decltype(&recording_cuda_clear_record) clear_record_;
  decltype(&recording_cuda_launch) launch_;
  decltype(&recording_cuda_set_hook) set_hook_;
};

}  // namespace fathom::testing
