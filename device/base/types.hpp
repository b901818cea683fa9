// Fixed-width types and host/device markers for everything in device/. Contract layer: compiles
// with NVRTC (no include path), nvcc and a plain C++20 compiler; must include nothing.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define FATHOM_HD __host__ __device__  // pure functions shared by host and device
#define FATHOM_DEVICE \
  __device__ __forceinline__  // device code; wgmma pipelines must not cross a real call
#else
#define FATHOM_HD
#define FATHOM_DEVICE inline
#endif

namespace fathom {

// The same types as <cstdint> gives on 64-bit Linux, which no header may provide under NVRTC.
using int8_t = signed char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned int;
using int64_t = long;
using uint64_t = unsigned long;
static_assert(sizeof(int64_t) == 8 && sizeof(int32_t) == 4 && sizeof(int16_t) == 2);

}  // namespace fathom
