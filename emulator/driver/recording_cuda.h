/* The control interface of libcuda_recording.so, a stand-in for the CUDA driver in tests, and of
 * libcuda_emulator.so, which is the same and runs its kernels (emulator_control.h). C, no
 * dependencies.
 *
 * The library exports those functions of the driver API that Fathom uses and answers as GPUs of a
 * chosen description. Device memory is host memory, copies and memsets happen at once, launches are
 * checked as the driver checks them, recorded, and run only when a launch hook is installed. Each
 * file that is loaded has a state of its own: a test that wants a fresh GPU loads a copy of the
 * file (tests/support/recording_cuda.hpp does).
 *
 * Description from the environment when the library is loaded: RECORDING_CUDA_NAME, and
 * RECORDING_CUDA_<KEY> with the upper-case keys of recording_cuda_set. RECORDING_CUDA_LOG names a
 * file to which the record is appended at exit. */
#ifndef RECORDING_CUDA_H_
#define RECORDING_CUDA_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keys: "devices", "sms", "compute_capability" (90 = 9.0), "memory_bytes", "l2_bytes",
 * "shared_bytes", "clock_khz", "memory_clock_khz", "bus_bits", "driver_version" (13000 = 13.0),
 * "pageable" (kernels read ordinary memory), "param_bytes" (size of a kernel's first parameter:
 * needed to keep and replay parameters). Returns 0, or -1 for another key. */
int recording_cuda_set(const char* key, int64_t value);
void recording_cuda_set_name(const char* device_name);

/* The nth call of `call` from now on (1 = the next one) returns `code` and does nothing else. */
void recording_cuda_fail(const char* call, int nth, int code);

/* What cuGetErrorString says of a failed launch from now on. */
void recording_cuda_set_failure(const char* text);

/* The record: one line a call, "cuMemAlloc bytes=256 pointer=0x... thread=1 -> 0". The text lives
 * until the next call of this function. */
const char* recording_cuda_record(void);
/* Calls of `call` so far; null or "" counts all. */
int64_t recording_cuda_count(const char* call);
void recording_cuda_clear_record(void);

typedef struct RecordingCudaLaunch {
  const char* function;
  const void* image; /* what was given to cuLibraryLoadData */
  int device;
  unsigned grid[3], block[3], cluster[3];
  unsigned shared_bytes;
  int programmatic, cooperative, priority;
  int captured; /* recorded into a graph, not run */
  void* stream;
  const void* params; /* the first parameter's bytes; null when param_bytes is 0 */
  int64_t param_bytes;
} RecordingCudaLaunch;

/* Launch `index` since the record was cleared; returns 0, or -1 when there is none. Pointers live
 * until the record is cleared. */
int recording_cuda_launch(int64_t index, RecordingCudaLaunch* launch);

/* Called for each launch that runs (also on graph replay), without locks held; its result becomes
 * the launch's result. */
typedef int (*RecordingCudaHook)(const RecordingCudaLaunch* launch, void* user);
void recording_cuda_set_hook(RecordingCudaHook hook, void* user);

/* What this library writes into the 128 bytes of an encoded tensor map, so that tests and an
 * emulator can read it. */
typedef struct RecordingCudaTensorMap {
  uint64_t base;
  uint64_t dims[5];
  uint64_t strides[4]; /* bytes, of dimensions 1 to 4 */
  uint16_t box[5];
  uint8_t element_strides[5];
  uint8_t rank, type, interleave, swizzle, promotion,
      fill; /* values of the driver's enumerations */
  uint8_t reserved[27];
} RecordingCudaTensorMap;

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* RECORDING_CUDA_H_ */
